package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/services/accounts"
	"holdfast/tenants/people"
)

// What people edit has a revision: an ETag that says which one was read, and an If-Match that says which one is meant (RFC 9110
// section 13.1.1).

func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// seen reads the revision of an If-Match header: 428 without one, 400 when it is none of ours.
func seen(header *string) (int64, error) {
	if header == nil || strings.TrimSpace(*header) == "" {
		return 0, &fault{
			status: http.StatusPreconditionRequired, code: "revision_needed", title: "Which one do you mean?",
			detail: "Send the ETag of what you read as If-Match, so that you undo nobody's change unknowingly.",
		}
	}
	text, quoted := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(*header), "W/"), `"`)
	n, err := strconv.ParseInt(strings.TrimSuffix(text, `"`), 10, 64)
	if err != nil || !quoted {
		return 0, badRequest("If-Match is the ETag of what you read.", err)
	}
	return n, nil
}

// changed says that somebody else was first, and shows what they left.
func changed(shape any, revision int64, by string, at time.Time, cause error) *fault {
	return &fault{
		status: http.StatusPreconditionFailed, code: "changed", title: "Somebody changed this meanwhile.",
		detail: "Nothing of yours was saved. Look at what is there now, and save again with its ETag.",
		now:    &latest{shape: shape, tag: etag(revision), by: by, at: at}, cause: cause,
	}
}

// invalid says everything that is wrong with what was sent.
func invalid(found []FieldError, cause error) *fault {
	return &fault{
		status: http.StatusUnprocessableEntity, code: "invalid", title: "Some of this cannot be saved.",
		detail: "Nothing was saved. Each entry of errors says which field is wrong, and what would be right.", errors: found, cause: cause,
	}
}

// fieldErrors collects the problems with fields that an error holds, in their order.
func fieldErrors(err error) []FieldError {
	var found []FieldError
	var many interface{ Unwrap() []error }
	var one *accounts.Problem
	var person *people.Problem
	switch {
	case errors.As(err, &many):
		for _, e := range many.Unwrap() {
			found = append(found, fieldErrors(e)...)
		}
	case errors.As(err, &one):
		e := FieldError{Field: one.Field, Code: one.Code, Text: one.Text}
		if one.About != "" {
			e.About = &one.About
		}
		found = append(found, e)
	case errors.As(err, &person):
		e := FieldError{Field: person.Field, Code: person.Key(), Text: person.Text}
		if person.About != "" {
			e.About = &person.About
		}
		found = append(found, e)
	}
	return found
}
