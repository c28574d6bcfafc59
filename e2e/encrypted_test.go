package e2e

import (
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
)

// A carrier over TLS: what must be encrypted is, or there is no call; what is only better so is marked where it is not.
func TestACarrierThatEncrypts(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	platform := n.SignIn(noc)
	strict, soft := netip.MustParseAddr("127.0.0.66"), netip.MustParseAddr("127.0.0.67") // in the demonstration's range too
	for name, trunk := range map[string]map[string]any{
		"must": {"signal": []string{strict.String()}, "tls": map[string]any{}},
		"soft": {"signal": []string{soft.String()}, "tls": map[string]any{}, "encryption": "preferred"},
	} {
		trunk["name"] = name
		platform.Do(http.MethodPost, "/api/v1/trunks", trunk, nil)
	}
	call := func(from netip.Addr, srtp string) *carrier.Call {
		return n.Call(lakeside, func(o *carrier.Options) {
			o.Node, o.Transport, o.SRTP, o.Bind = n.SIPTLS, "tls", srtp, from
			o.CA = filepath.Join(n.Data, "keys", "sip-self-signed.crt")
		})
	}
	harbor := n.SignIn(admin)
	encrypted := func(id string, want bool) {
		t.Helper()
		harness.Eventually(t, 5*time.Second, "the call log knows whether it was encrypted", func() bool {
			var c struct {
				Encrypted *bool `json:"media_encrypted"`
			}
			status, raw, err := harbor.Try(http.MethodGet, "/api/v1/calls/"+id, nil)
			return err == nil && status == http.StatusOK && decode(raw, &c) && c.Encrypted != nil && *c.Encrypted == want
		})
	}
	o := n.Operator(ada)

	c := call(strict, "required")
	id := joined(t, n, c, o)
	if !c.Result().Encrypted {
		t.Error("the caller was not answered encrypted")
	}
	must(t, o.HangUp(harness.Limited(t, byeBar)))
	if result := n.Over(c, byeBar); result.Lost != 0 {
		t.Errorf("%d packets lost", result.Lost)
	}
	encrypted(id, true)

	if result := n.Over(call(strict, ""), byeBar); result.SIPStatus != 488 || result.Received != 0 {
		t.Errorf("a call in clear: %+v", result)
	}
	harness.Eventually(t, 5*time.Second, "an alarm says so", func() bool {
		var alarms list[alarm]
		platform.Get("/alarms?state=open", &alarms)
		for _, a := range alarms.Items {
			if a.Key == "trunk_in_clear:must" {
				return true
			}
		}
		return false
	})

	c = call(soft, "")
	id = n.Answered(c, 5*time.Second)
	harness.Event(t, o, operator.Offer, 15*time.Second) // after the wrap-up
	must(t, o.Accept(harness.Limited(t, joinBar)))
	hear(t, c, o)
	encrypted(id, false)
	if v := o.View(); v.Call == nil || !v.Call.InClear {
		t.Errorf("the operator is shown no open lock: %+v", v.Call)
	}
}
