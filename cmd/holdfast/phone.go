package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// phoneCmd is "holdfast phone": operators' SIP telephones, changed through the API of a running service.
type phoneCmd struct {
	Add    phoneAdd    `cmd:"" help:"Give an operator a telephone, or another one; its password is chosen here."`
	List   phoneList   `cmd:"" help:"Show the telephones, and which are registered."`
	Remove phoneRemove `cmd:"" help:"Take a telephone away; a call that goes on is finished."`
}

// phoneAdd is "holdfast phone add".
type phoneAdd struct {
	platform
	Email        string `arg:"" help:"E-mail of the operator."`
	User         string `help:"Its name; what it signs in as has the service after a dot. Default: made of the e-mail." placeholder:"NAME"`
	PasswordFile string `help:"File that holds the telephone's password." required:"" placeholder:"FILE" type:"existingfile"`
	MD5          bool   `help:"For a telephone that does not know SHA-256." name:"md5"`
}

// phoneList is "holdfast phone list".
type phoneList struct{ platform }

// phoneRemove is "holdfast phone remove".
type phoneRemove struct {
	platform
	Email string `arg:"" help:"E-mail of the operator."`
}

// phoneView is a telephone as the API has it.
type phoneView struct {
	Email  string     `json:"email"`
	SignIn string     `json:"sign_in"`
	MD5    bool       `json:"md5"`
	Until  *time.Time `json:"registered_until"`
}

// administer does something as an administrator of an operator's service.
func (p *platform) administer(something func(request) error) error {
	if p.SignIn == "" {
		return errors.New("--sign-in is needed: an administrator of the operator's service")
	}
	return p.as(something)
}

// telephoneOf is the path of a user's telephone.
func telephoneOf(do request, email string) (string, error) {
	var users struct {
		Items []struct{ ID, Email string }
	}
	if err := do(http.MethodGet, "/users", nil, &users); err != nil {
		return "", err
	}
	for _, u := range users.Items {
		if strings.EqualFold(u.Email, email) {
			return "/users/" + u.ID + "/telephone", nil
		}
	}
	return "", fmt.Errorf("nobody of this service has the e-mail %s", email)
}

// Run gives an operator a telephone.
func (c *phoneAdd) Run() error {
	password, err := passwordIn(c.PasswordFile)
	if err != nil {
		return err
	}
	var made phoneView
	err = c.administer(func(do request) error {
		at, err := telephoneOf(do, c.Email)
		if err != nil {
			return err
		}
		if err := do(http.MethodGet, at, nil, nil); err == nil { // another one: what was seen is what is replaced
			c.match = c.tag
		}
		err = do(http.MethodPut, at, map[string]any{"user": c.User, "password": password, "md5": c.MD5}, &made)
		return overtaken(err, "the telephone of "+c.Email, "phone list")
	})
	if err != nil {
		return err
	}
	return printPhones(made)
}

// Run shows the telephones.
func (c *phoneList) Run() error {
	var list struct {
		Items []phoneView `json:"items"`
	}
	if err := c.administer(func(do request) error { return do(http.MethodGet, "/telephones", nil, &list) }); err != nil {
		return err
	}
	return printPhones(list.Items...)
}

// Run takes a telephone away.
func (c *phoneRemove) Run() error {
	return c.administer(func(do request) error {
		at, err := telephoneOf(do, c.Email)
		if err != nil {
			return err
		}
		if err := do(http.MethodGet, at, nil, nil); err != nil {
			return err
		}
		c.match = c.tag
		return overtaken(do(http.MethodDelete, at, nil, nil), "the telephone of "+c.Email, "phone list")
	})
}

func printPhones(phones ...phoneView) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "OPERATOR\tSIGNS IN AS\tDIGEST\tREGISTERED UNTIL") // kept until Flush
	for _, p := range phones {
		digest, until := "SHA-256", "-"
		if p.MD5 {
			digest = "MD5"
		}
		if p.Until != nil {
			until = p.Until.UTC().Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Email, p.SignIn, digest, until)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the telephones: %w", err)
	}
	return nil
}
