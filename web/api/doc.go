// Package api is Holdfast over HTTP: JSON under /api/v1, the pages, and what watches over a node (health, readiness,
// metrics). The contract is openapi.yaml; gen.go is generated from it, and so are the types of the pages.
//
// A request goes one way: limits and headers ([Server]) -> who is it (bearer token -> tenants.Actor) -> may this role do
// this ([rules], one table; a route without a row is refused) -> does it fit the contract (kin-openapi) -> a handler, which
// asks one port and turns the answer into JSON. Handlers hold no rules of the business and know no framework: echo is
// seen by server.go and the generated code only.
//
// What is true now (live calls, operators, queue, open alarms, accounts, activation, route) is answered from memory and
// from the routing copy, with PostgreSQL and Redis dead; what was, comes from PostgreSQL, and while it is away the answer
// is 503 with Retry-After within 300 ms. What belongs to another tenant is 404, exactly as if it did not exist.
package api
