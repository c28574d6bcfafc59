import { accounts } from './hu/accounts';
import { activation } from './hu/activation';
import { carriers } from './hu/carriers';
import { desk } from './hu/desk';
import { messages } from './hu/messages';
import { oncall } from './hu/oncall';
import { people } from './hu/people';
import { portal } from './hu/portal';
import { shared } from './hu/shared';

export const hu = {
  ...shared,
  ...desk,
  ...portal,
  ...messages,
  ...accounts,
  ...activation,
  ...carriers,
  ...oncall,
  ...people,
};
