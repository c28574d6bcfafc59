import { desk } from './en/desk';
import { portal } from './en/portal';
import { shared } from './en/shared';

export const en = { ...shared, ...desk, ...portal };
