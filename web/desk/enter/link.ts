// The sign-in link of a mail: /desk#/in/TOKEN. What the token says of itself is for showing only; the server judges it.

export interface Link {
  token: string;
  name: string;
  email: string;
}

/** The link in an address's hash; null when there is none. */
export function linkIn(hash: string): Link | null {
  const token = /^#\/in\/([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/.exec(hash)?.[1];
  if (!token || token.length > 4096) return null;
  try {
    const body = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 200) : '');
    return { token, name: text(said.name), email: text(said.email) };
  } catch {
    return { token, name: '', email: '' };
  }
}
