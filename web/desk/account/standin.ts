import type { Listing, OnCall, OnCallSchedule } from '../../ui/api/client';

// A stand-in: who takes the calls, instead of whom, by which schedule. What is proposed is right in the usual case: whoever comes
// next, instead of the one whom the sentence above names.

export interface StandIn {
  schedule: string;
  /** Who takes the calls. */
  person: string;
  /** Who is replaced; "": everybody. */
  replaced: string;
}

/** The schedules of an account, the first one first; none when it has none. */
export function plansOf(onCall: OnCall | null): OnCallSchedule[] {
  return onCall?.schedule ? [onCall, ...onCall.others] : [];
}

/** What is proposed for a schedule. Where nobody is scheduled there is nobody to replace: the stand-in takes every call. */
export function usual(plan: OnCallSchedule, people: Listing[]): StandIn {
  const first = plan.now.find((s) => s.why !== 'catch-all');
  const replaced = first?.person ?? '';
  const on = new Set(plan.now.map((s) => s.person));
  const next = plan.next && !on.has(plan.next.person) ? plan.next.person : '';
  const free = people.find((p) => !on.has(p.id)) ?? people.find((p) => p.id !== replaced);
  return { schedule: plan.schedule, person: next || free?.id || '', replaced };
}

/**
 * What the operator should know before it is set: "gone", the one to be replaced is not on call any more, and nothing would
 * change; "short", that one's shift ends before the stand-in does; "alone", several are on call, and all of them are replaced.
 */
export function mind(
  wish: StandIn,
  plan: OnCallSchedule,
  end: number,
  local: (at: string | null | undefined) => number | null,
) {
  if (wish.replaced === '') return plan.now.length > 1 ? 'alone' : '';
  const shift = plan.now.find((s) => s.person === wish.replaced);
  if (!shift) return 'gone';
  const until = local(shift.until);
  return until !== null && until < end ? 'short' : '';
}
