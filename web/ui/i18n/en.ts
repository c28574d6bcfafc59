import { accounts } from './en/accounts';
import { activation } from './en/activation';
import { carriers } from './en/carriers';
import { desk } from './en/desk';
import { messages } from './en/messages';
import { oncall } from './en/oncall';
import { people } from './en/people';
import { portal } from './en/portal';
import { shared } from './en/shared';

export const en = {
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
