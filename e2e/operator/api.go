package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const maxReply = 1 << 20 // bytes

// ErrRefused is wrapped by errors that say that the server refuses this operator for good: wrong password, duty over.
var ErrRefused = errors.New("the server refuses")

// problem is RFC 9457's description of an error.
type problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// post sends one JSON request and decodes the reply.
func post(ctx context.Context, client *http.Client, to *url.URL, token string, body, reply any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(encoded))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return fmt.Errorf("read the server's reply: %w", err)
	}
	if response.StatusCode/100 != 2 {
		var p problem
		_ = json.Unmarshal(raw, &p) // a proxy's page has no problem in it; the status says enough
		err := fmt.Errorf("%s: %s: %s %s", to.Path, response.Status, p.Title, p.Detail)
		if response.StatusCode/100 == 4 && response.StatusCode != http.StatusTooManyRequests {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return err
	}
	if err := json.Unmarshal(raw, reply); err != nil {
		return fmt.Errorf("the server's reply to %s: %w", to.Path, err)
	}
	return nil
}

// signIn exchanges e-mail and password for a token.
func (o *Operator) signIn(ctx context.Context) (token string, err error) {
	var session struct {
		AccessToken string `json:"access_token"`
	}
	body := map[string]string{"email": o.options.SignIn, "password": o.options.Password}
	if err := post(ctx, o.client, o.base.JoinPath("/api/v1/sessions"), "", body, &session); err != nil {
		return "", fmt.Errorf("sign in as %s: %w", o.options.SignIn, err)
	}
	return session.AccessToken, nil
}

// ticket gets what opens the socket once: for a token, or for the secret of a duty that goes on.
func (o *Operator) ticket(ctx context.Context, token, secret string) (string, error) {
	var got struct {
		Ticket string `json:"ticket"`
	}
	body := map[string]string{"purpose": "desk"}
	if secret != "" {
		body["duty_secret"], token = secret, "" // the secret alone must do: the store of sessions may be away
	}
	if err := post(ctx, o.client, o.base.JoinPath("/api/v1/tickets"), token, body, &got); err != nil {
		return "", fmt.Errorf("get a ticket for the socket: %w", err)
	}
	return got.Ticket, nil
}
