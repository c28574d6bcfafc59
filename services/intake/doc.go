// Package intake finds out which account a call was meant for.
//
// A forwarded call arrives with several numbers: the one that was dialled to reach us, and, depending on carriers and
// exchanges on the way, the ones it was forwarded from. [Decide] reads them in a fixed order, takes the first that names an
// account, and keeps every candidate with what became of it, so that anybody can see later why a call went where it went:
//
//  1. the Request-URI, when it holds a number that belongs to one account alone: the safest;
//  2. History-Info (RFC 7044), the earliest entry that is known;
//  3. Diversion (RFC 5806), the last entry first, as the newest is written first;
//  4. P-Called-Party-ID (RFC 7315);
//  5. To, when it differs from the Request-URI;
//  6. P-Asserted-Identity and From, which name the caller: when they hold an account's number, an exchange has rewritten
//     them; a hint, and the caller is unknown.
//
// A number shared by several accounts decides nothing, and headers cannot lead away from the tenant that owns the number
// that was dialled. What nobody owns goes to the platform and is answered all the same. Headers are believed only because
// the edge lets no stranger's INVITE in. The package is pure: no clock, no I/O.
package intake
