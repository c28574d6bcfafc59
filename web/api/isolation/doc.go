// Package isolation proves that no tenant sees another's through the API: the operations of the contract over the real
// services and a real PostgreSQL, with the demonstration tenants, asked by harbor for what is harbor's and by mesa for the
// same; and that an operator who answers some accounts only sees nothing of the others. It has tests only.
package isolation
