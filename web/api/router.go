package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"holdfast/tenants"
)

// base is where the operations of the contract live.
const base = "/api/v1"

// router serves the operations. It is the only hand-written code that knows echo.
func router(h *handlers, spec *openapi3.T) http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // X-Forwarded-For is judged by trustedProxies alone
	e.HTTPErrorHandler = fail
	guards := map[string][]echo.MiddlewareFunc{}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			route := &routers.Route{Spec: spec, Path: path, PathItem: item, Method: method, Operation: op}
			guards[op.OperationID] = []echo.MiddlewareFunc{guard(h, route)}
		}
	}
	RegisterHandlersWithOptions(e, NewStrictHandler(h, []StrictMiddlewareFunc{guarded}),
		RegisterHandlersOptions{BaseURL: base, OperationMiddlewares: guards})
	return e
}

// guarded refuses an operation that no guard stood before: the code was generated from another contract.
func guarded(next StrictHandlerFunc, _ string) StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		if !traceOf(c.Request().Context()).passed {
			return nil, forbidden()
		}
		return next(c, request)
	}
}

// guard stands before one operation: who is it, may this role do this, does the request fit the contract. In this order,
// so that a stranger learns nothing from how a request is refused.
func guard(h *handlers, route *routers.Route) echo.MiddlewareFunc {
	rule, known := rules[route.Operation.OperationID]
	pattern := base + route.Path
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			t := traceOf(r.Context())
			t.route = pattern
			if !known || rule.least == tenants.RoleOperator && rule.scope == "" {
				return forbidden()
			}
			actor, err := h.Sessions.Actor(bearer(r))
			switch {
			case err == nil && actor.Tenant != "":
				t.actor = actor
			case !rule.open:
				return notSignedIn(err)
			}
			if !rule.open && !actor.May(rule.least) {
				return forbidden()
			}
			// Whoever is not signed in has an open operation before them, which asks for something else: a feed's token.
			if t.actor.Tenant != "" && strings.HasPrefix(route.Path, "/accounts/{id}") && !h.answers(t.actor, tenants.AccountID(c.Param("id"))) {
				return notFound() // for every address below an account, those of tomorrow too
			}
			if err := validate(c, route); err != nil {
				return err
			}
			t.passed = true
			return next(c)
		}
	}
}

// bearer is the access token of the Authorization header (RFC 6750 section 2.1), or "".
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// validate holds the request against the contract.
func validate(c echo.Context, route *routers.Route) error {
	params := map[string]string{}
	for _, name := range c.ParamNames() {
		params[name] = c.Param(name)
	}
	r := c.Request()
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: file(route.Operation)},
	})
	if err == nil {
		return nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge()
	}
	var bad *openapi3filter.RequestError
	if errors.As(err, &bad) && bad.Parameter != nil && bad.Parameter.In == openapi3.ParameterInPath {
		return notFound() // an id of another form names nothing
	}
	f := badRequest(detailOf(err), err)
	f.errors = unfit(err)
	return f
}

// unfit names the field of the body that breaks the contract, as a form could show it; nil when no form can be at fault. What
// was sent is not repeated.
func unfit(err error) []FieldError {
	var bad *openapi3filter.RequestError
	var schema *openapi3.SchemaError
	if !errors.As(err, &bad) || bad.Parameter != nil || !errors.As(err, &schema) || schema.Schema == nil {
		return nil
	}
	e := FieldError{Text: "is not as the contract says: " + schema.Reason}
	for _, name := range schema.JSONPointer() {
		switch _, notIndex := strconv.Atoi(name); {
		case notIndex == nil:
			e.Field += "[" + name + "]"
		case e.Field == "":
			e.Field = name
		default:
			e.Field += "." + name
		}
	}
	switch schema.SchemaField {
	case "required", "minItems":
		e.Code = "empty"
	case "minLength":
		if e.Code = "empty"; schema.Schema.MinLength > 1 {
			least := strconv.FormatUint(schema.Schema.MinLength, 10)
			e.Code, e.About = "too_short", &least
		}
	case "maxLength":
		e.Code = "too_long"
	case "maxItems":
		e.Code = "too_many"
	case "minimum", "maximum":
		e.Code = "out_of_range"
	case "pattern":
		e.Code = "unfit"
	}
	if e.Field == "" || e.Code == "" {
		return nil
	}
	return []FieldError{e}
}

// file reports whether an operation takes a file, which is read as it comes and judged by who reads it.
func file(op *openapi3.Operation) bool {
	return op.RequestBody != nil && op.RequestBody.Value != nil &&
		(op.RequestBody.Value.Content["audio/wav"] != nil || op.RequestBody.Value.Content["application/octet-stream"] != nil)
}

// detailOf says which part of the request does not fit, without repeating what was sent: it may be a password.
func detailOf(err error) string {
	var bad *openapi3filter.RequestError
	if !errors.As(err, &bad) {
		return "It does not fit the contract. See /openapi.json."
	}
	where := "The body"
	if bad.Parameter != nil {
		where = fmt.Sprintf("The parameter %q", bad.Parameter.Name)
	}
	var schema *openapi3.SchemaError
	if errors.As(err, &schema) {
		if path := schema.JSONPointer(); len(path) > 0 {
			where += fmt.Sprintf(", at %q,", strings.Join(path, "/"))
		}
		return fmt.Sprintf("%s is not as the contract says: %s. See /openapi.json.", where, schema.Reason)
	}
	return where + " is missing or cannot be read. See /openapi.json."
}

// fail answers every error of the operations with problem details.
func fail(err error, c echo.Context) {
	var he *echo.HTTPError
	if errors.As(err, &he) {
		err = faultOfStatus(he)
	}
	t := traceOf(c.Request().Context())
	t.err = err
	if c.Response().Committed {
		return
	}
	faultOf(err).write(c.Response(), t.id)
}

// faultOfStatus is for what echo refuses by itself.
func faultOfStatus(he *echo.HTTPError) error {
	switch he.Code {
	case http.StatusNotFound:
		return notFound()
	case http.StatusMethodNotAllowed:
		return &fault{
			status: he.Code, code: "not_allowed", title: "This address does not take that method.", detail: "See /openapi.json.",
		}
	case http.StatusRequestEntityTooLarge:
		return tooLarge()
	}
	if he.Code < http.StatusInternalServerError {
		return badRequest("It does not fit the contract. See /openapi.json.", he)
	}
	return he
}
