// Package oncall answers who of an account's people is on call: now, until when, who is next, and how to reach them. It asks the
// tenant's routing copy and nothing else, so that the desk has an answer with every store dead, and [At] says how old it is.
//
// The answer is [roster.OnCall]'s with names and contact methods. A person who has left the directory is passed over, to
// the next one called, and at last to the catch-all person. The one sentence that an operator reads ("Dr. Sam Lee until
// 20:00; in 12 minutes Dr. Maria Ortiz; mobile first") is made here, by language, so that every surface says the same.
package oncall
