export const portal = {
  'portal.name': 'Portal',
} as const satisfies Record<string, string>;
