import type { shared as en } from '../en/shared';

export const shared: Record<keyof typeof en, string> = {
  'span.s': '{n} mp',
  'span.min': '{n} perc',
  'span.h': '{n} óra',
  'span.d': '{n} nap',

  'settings.language': 'Nyelv',
  'settings.theme': 'Világos vagy sötét',
  'theme.system': 'A rendszer szerint',
  'theme.light': 'Világos',
  'theme.dark': 'Sötét',

  'sign.desk': 'Pult',
  'sign.desk.more': 'Jelentkezzen be a hívások fogadásához.',
  'sign.portal': 'Portál',
  'sign.portal.more': 'Jelentkezzen be a hívások, hangüzenetek és kezelők megtekintéséhez.',
  'sign.email': 'E-mail',
  'sign.password': 'Jelszó',
  'sign.in': 'Bejelentkezés',
  'sign.forgot': 'Elfelejtette a jelszavát?',
  'sign.forgot.sent': 'Ha valaki ezzel az e-mail-címmel jelentkezik be, a hivatkozás már úton van.',
  'sign.forgot.more': 'Egyszer, egy órán belül használható. Nézze meg a postafiókját és a levélszemetet is.',
  'sign.forgot.email': 'Előbb írja be fent az e-mail-címét; oda küldjük a hivatkozást.',
  'sign.busy': 'Bejelentkezés …',
  'sign.wrong': 'Az e-mail-cím vagy a jelszó hibás.',
  'sign.wrong.more':
    'Ellenőrizze mindkettőt, és próbálja újra. Több hibás próbálkozás után a belépés egy időre zárolódik.',
  'sign.locked': 'Ez a belépés egy időre zárolva van.',
  'sign.locked.more': 'Túl sok volt a hibás próbálkozás. Magától feloldódik; az adminisztrátor hamarabb is segíthet.',
  'sign.many': 'Innen túl sok a próbálkozás.',
  'sign.many.more': 'Várjon egy kicsit a következővel.',
  'sign.away': 'Most senki sem tud bejelentkezni.',
  'sign.away.more':
    'A kiszolgáló, vagy amire a belépés ellenőrzéséhez szüksége van, nem érhető el. A hívókat továbbra is fogadjuk. Próbálja újra egy kis idő múlva.',
  'sign.again.in': 'Újra {n} másodperc múlva.',
  'left.signed_out': 'A bejelentkezése lejárt. Jelentkezzen be újra.',

  'do.cancel': 'Mégse',
  'do.close': 'Bezárás',
  'do.signout': 'Kijelentkezés',
  'do.again': 'Próbálja újra',

  'caller.hidden': 'Rejtett szám',

  'phase.available': 'Fogadásra kész',
  'phase.offered': 'Hívást kap',
  'phase.talking': 'Hívásban',
  'phase.practising': 'Gyakorol; valódi hívásra azonnal abbahagyja',
  'phase.lost': 'Megszakadt kapcsolat',
  'phase.wrap_up': 'Utómunka',
  'phase.paused': 'Szünet',
  'phase.paused.missed': 'Szünet: nem fogadta a hívást',
  'phase.paused.supervisor': 'A felügyelő szüneteltette',
  'phase.paused.connection_lost': 'Szünet: megszakadt a kapcsolat',
  'phase.checking': 'Vonalellenőrzés',
  'phase.away': 'Nincs szolgálatban',
};
