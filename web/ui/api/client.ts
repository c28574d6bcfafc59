import createClient from 'openapi-fetch';
import { Refusal, refusalOf, type Session } from '../../calls/session';
import type { components, paths } from './schema';

// The HTTP API with the types of its own document. Whatever is no success becomes a Refusal that says why.

export type Schemas = components['schemas'];
export type Call = Schemas['Call'];
export type StoryEvent = Schemas['Event'];
export type Voicemail = Schemas['Voicemail'];
export type NoticeRecord = Schemas['NoticeRecord'];
export type Account = Schemas['Account'];
export type AccountDetail = Schemas['AccountDetail'];
export type AccountChange = Schemas['AccountChange'];
export type Hours = Schemas['OpeningHours'];
export type TenantSettings = Schemas['TenantSettings'];
export type TenantSettingsChange = Schemas['TenantSettingsChange'];
export type Route = Schemas['Route'];
export type Me = Schemas['Me'];
export type Tenant = Schemas['Tenant'];
export type Trunk = Schemas['Trunk'];
export type TrunkChange = Schemas['TrunkChange'];
export type OnCall = Schemas['OnCall'];
export type OverrideItem = Schemas['Override'];
export type OnCallSchedule = Schemas['OnCallSchedule'];
export type Schedule = Schemas['Schedule'];
export type ScheduleChange = Schemas['ScheduleChange'];
export type Layer = Schemas['Layer'];
export type Timeline = Schemas['Timeline'];
export type Preview = Schemas['SchedulePreview'];
export type Feed = Schemas['Feed'];
export type Listing = Schemas['Listing'];
export type ContactMethod = Schemas['ContactMethod'];
export type Taken = Schemas['Message'];
export type AlarmRow = Schemas['Alarm'];
export type User = Schemas['User'];
export type Telephone = Schemas['Telephone'];
export type Activation = Schemas['Activation'];
export type ForwardingRow = Schemas['ForwardingRow'];
export type ForwardingSheet = Schemas['ForwardingSheet'];

export function newAPI(session: Session) {
  return createClient<paths>({
    baseUrl: `${location.origin}/api/v1`,
    fetch: (request) => session.request(request),
  });
}
export type API = ReturnType<typeof newAPI>;

/** The data of an answer; throws a Refusal when there is none. */
export function must<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.response.ok && answer.data !== undefined) return answer.data;
  const problem = (answer.error ?? {}) as Record<string, unknown>;
  const text = (name: string) => (typeof problem[name] === 'string' ? (problem[name] as string) : '');
  const wait = Number(answer.response.headers.get('Retry-After') ?? '0');
  throw new Refusal(
    answer.response.status,
    text('title'),
    text('detail'),
    Number.isFinite(wait) ? wait : 0,
    text('code'),
    Array.isArray(problem.errors) ? (problem.errors as Schemas['FieldError'][]) : [],
  );
}

/** The bytes of a recording. Throws a Refusal. */
export function recording(session: Session, id: string): Promise<ArrayBuffer> {
  return sound(session, `voicemails/${encodeURIComponent(id)}/audio`);
}

/** The bytes of an account's greeting. Throws a Refusal. */
export function greeting(session: Session, account: string, language: string): Promise<ArrayBuffer> {
  return sound(session, `accounts/${encodeURIComponent(account)}/greetings/${encodeURIComponent(language)}`);
}

async function sound(session: Session, path: string): Promise<ArrayBuffer> {
  const answer = await session.request(new Request(`${location.origin}/api/v1/${path}`));
  if (!answer.ok) throw await refusalOf(answer);
  return await answer.arrayBuffer();
}
