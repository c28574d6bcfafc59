import type { Mark } from '../calls/duty';
import call from './marks/call.svg?url';
import lost from './marks/lost.svg?url';
import offer from './marks/offer.svg?url';
import out from './marks/out.svg?url';
import paused from './marks/paused.svg?url';
import ready from './marks/ready.svg?url';
import wrapUp from './marks/wrap_up.svg?url';

/** The little picture of the tab, by state: shape and colour, so that it is known from the corner of an eye. */
export const marks: Record<Mark, string> = { call, lost, offer, out, paused, ready, wrap_up: wrapUp };
