package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/services/interim"
	"holdfast/services/oncall"
	"holdfast/services/ticket"
	"holdfast/tenants/store"
)

// fault is an error that says itself how it is answered.
type fault struct {
	status int
	code   string
	title  string
	detail string
	retry  time.Duration // Retry-After; 0: none
	cause  error         // for the log, never for the client
	needed *Needed       // with "needed"
	errors []FieldError  // with "invalid": what is wrong, by field
	now    *latest       // with "changed": what is there
}

// latest is what somebody else made of a thing meanwhile.
type latest struct {
	shape any    // as a successful answer has it
	tag   string // its entity tag
	by    string
	at    time.Time
}

// Error is for the log.
func (f *fault) Error() string {
	if f.cause != nil {
		return f.code + ": " + f.cause.Error()
	}
	return f.code
}

// Unwrap gives the cause.
func (f *fault) Unwrap() error { return f.cause }

// awayRetry is when a client may ask again after 503: private servers are usually back by then.
const awayRetry = 2 * time.Second

func notFound() *fault {
	return &fault{
		status: http.StatusNotFound, code: "not_found", title: "There is no such thing here.",
		detail: "Nothing with this address exists for your tenant. Check the address, or go back to the list.",
	}
}

func notSignedIn(cause error) *fault {
	return &fault{
		status: http.StatusUnauthorized, code: "not_signed_in", title: "You are not signed in.",
		detail: "The access token is missing, not valid, or too old. Sign in again, or renew the token.", cause: cause,
	}
}

func forbidden() *fault {
	return &fault{
		status: http.StatusForbidden, code: "forbidden", title: "You may not do this.",
		detail: "Your role does not include it. Ask an administrator of your tenant.",
	}
}

func badRequest(detail string, cause error) *fault {
	return &fault{
		status: http.StatusBadRequest, code: "bad_request", title: "This request cannot be understood.", detail: detail, cause: cause,
	}
}

func tooMany(retry time.Duration) *fault {
	return &fault{
		status: http.StatusTooManyRequests, code: "too_many", title: "Too many requests from this address.",
		detail: "To keep passwords from being guessed, attempts are limited. Wait a moment and try again.", retry: retry,
	}
}

func away(cause error) *fault {
	return &fault{
		status: http.StatusServiceUnavailable, code: "away", title: "The records cannot be reached just now.",
		detail: "The database does not answer. Calls are still answered and nothing is lost; try again in a few seconds.",
		retry:  awayRetry, cause: cause,
	}
}

// faultOf turns any error of a handler into an answer. What it does not know is our fault, and says nothing about itself.
func faultOf(err error) *fault {
	var f *fault
	var large *http.MaxBytesError
	var refused *ticket.Refusal
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		return refusedMessage(refused)
	case listingFault(err) != nil:
		return listingFault(err)
	case staffFault(err) != nil:
		return staffFault(err)
	case telephoneFault(err) != nil:
		return telephoneFault(err)
	case len(fieldErrors(err)) > 0:
		return invalid(fieldErrors(err), err)
	case errors.Is(err, interim.ErrForbidden):
		return forbidden()
	case errors.Is(err, interim.ErrNotKept):
		return faultOf(fmt.Errorf("%w: %w", ErrNotKept, err))
	case errors.Is(err, ErrNotFound), errors.Is(err, interim.ErrNotFound), errors.Is(err, oncall.ErrNotFound):
		return notFound()
	case errors.Is(err, ErrAway), errors.Is(err, store.ErrAway), errors.Is(err, context.DeadlineExceeded):
		return away(err)
	case errors.Is(err, ErrNotKept):
		return &fault{
			status: http.StatusServiceUnavailable, code: "away", title: "The change could not be kept.",
			detail: "The disk did not confirm it, so it may be gone. Look again in a moment, and repeat it if it is.",
			retry:  awayRetry, cause: err,
		}
	case errors.Is(err, ErrBadSignIn):
		return &fault{
			status: http.StatusUnauthorized, code: "bad_sign_in", title: "E-mail or password is wrong.",
			detail: "Check both and try again. After several failed attempts the account is locked for a while.", cause: err,
		}
	case errors.Is(err, ErrLockedOut):
		return &fault{
			status: http.StatusTooManyRequests, code: "locked_out", title: "This account is locked for a while.",
			detail: "There were too many failed attempts. Wait some minutes, or ask an administrator.", retry: time.Minute, cause: err,
		}
	case errors.Is(err, ErrExpired):
		return notSignedIn(err)
	case errors.Is(err, ErrConflict):
		return &fault{
			status: http.StatusConflict, code: "conflict", title: "This does not fit what is there now.",
			detail: "Somebody may have changed it. Look at it again before you repeat the change.", cause: err,
		}
	case errors.As(err, &large):
		return tooLarge()
	case errors.Is(err, ErrBadRequest):
		return badRequest("One of its values is not acceptable. A cursor is the next of the list before; see /openapi.json.", err)
	default:
		return &fault{
			status: http.StatusInternalServerError, code: "internal", title: "Something of ours failed.",
			detail: "It is written down with this request's number. Try again; if it stays, tell us the number.", cause: err,
		}
	}
}

// refusedMessage says why a message does not allow what was asked: 400 for a value, 409 for its state.
func refusedMessage(r *ticket.Refusal) *fault {
	detail := strings.ToUpper(r.Reason[:1]) + r.Reason[1:] + "."
	if r.Code == "bad_value" || r.Code == "empty" {
		return badRequest(detail, r)
	}
	return &fault{status: http.StatusConflict, code: r.Code, title: "This message does not allow it now.", detail: detail, cause: r}
}

func tooLarge() *fault {
	return &fault{
		status: http.StatusRequestEntityTooLarge, code: "too_large", title: "The request is too large.",
		detail: "At most 64 KiB are taken, 20 MB of a recording, and 10 MB of a table. Send less at a time.",
	}
}

// write answers with problem details (RFC 9457).
func (f *fault) write(w http.ResponseWriter, requestID string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int(f.retry/time.Second))))
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	p := Problem{
		Type: "urn:holdfast:problem:" + f.code, Title: f.title, Status: f.status, Detail: f.detail, Code: f.code, RequestID: requestID,
	}
	if len(f.errors) > 0 {
		p.Errors = &f.errors
	}
	p.Needed = f.needed
	if f.now != nil {
		h.Set("ETag", f.now.tag)
		p.Current = f.now.shape
		if f.now.by != "" {
			p.ChangedBy = &f.now.by
		}
		if !f.now.at.IsZero() {
			p.ChangedAt = &f.now.at
		}
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
