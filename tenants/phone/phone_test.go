package phone_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"holdfast/tenants/phone"
)

func TestNumbersAreReadAsPeopleAndCarriersWriteThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, country, want string }{
		{"+16085550101", "US", "+16085550101"},
		{"16085550101", "US", "+16085550101"},
		{"6085550101", "US", "+16085550101"},
		{"(608) 555-0101", "US", "+16085550101"},
		{"608.555.0101", "US", "+16085550101"},
		{"011 36 1 555 0201", "US", "+3615550201"},
		{"0036 1 555 0201", "US", "+3615550201"},
		{"0036 1 555 0201", "HU", "+3615550201"},
		{"06 1 555 0201", "HU", "+3615550201"},
		{"3615550201", "HU", "+3615550201"},
		{"16085550101", "HU", "+16085550101"},
		{"tel:+1-608-555-0101", "US", "+16085550101"},
		{"tel:+36-1-555-0201;ext=5", "US", "+3615550201"},
		{"sip:+16085550101@carrier.example;user=phone", "", "+16085550101"},
		{"sips:%2B16085550101@carrier.example", "", "+16085550101"},
		{"+16085550101;npdi;rn=+16080000000", "", "+16085550101"},
		{" +16085550101 ", "", "+16085550101"},
		{"16085550101", "", "+16085550101"},
		{"+1 (608) 555/0101", "us", "+16085550101"},
	} {
		got, err := phone.Parse(c.raw, c.country)
		if err != nil || got.String() != c.want {
			t.Errorf("Parse(%q, %q) = %q, %v; want %s", c.raw, c.country, got, err, c.want)
		}
	}
}

func TestWhatIsNoNumberIsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "+", "911", "112", "5550101", "anonymous", "alice", "sip:alice@example.com", "+1608555010a", "++16085550101", "1+6085550101",
		"+999123456789", "+160855501011234", "http://x", "sip:", "tel:;ext=1", "%zz", "1-800-FLOWERS", "٠١٢٣٤٥٦٧٨٩", strings.Repeat("1", 500), "\x00+16085550101",
	} {
		if got, err := phone.Parse(raw, "US"); !errors.Is(err, phone.ErrNotANumber) {
			t.Errorf("Parse(%q) = %q, %v", raw, got, err)
		}
	}
	if got, err := phone.Parse("6085550101", "XX"); err == nil && got == "+16085550101" {
		t.Error("a number of an unknown country was taken for an American one")
	}
}

func TestAnAmbiguousNumberHasAllItsReadings(t *testing.T) {
	t.Parallel()
	got := phone.Readings("3615550201", "US") // Corpus Christi, or Budapest without its plus
	if len(got) != 2 || got[0] != "+13615550201" || got[1] != "+3615550201" {
		t.Errorf("readings: %v", got)
	}
}

func TestNumbersArePrintedAndMasked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n                       phone.Number
		pretty, masked, country string
	}{
		{"+16085550101", "+1 608-555-0101", "+*******0101", "US"},
		{"+3615550201", "+36 1 555 0201", "+******0201", "HU"},
		{"", "", "", ""},
	} {
		if c.n.Pretty() != c.pretty || c.n.Masked() != c.masked || c.n.Country() != c.country {
			t.Errorf("%s: %q %q %q", c.n, c.n.Pretty(), c.n.Masked(), c.n.Country())
		}
	}
	for raw, want := range map[string]string{"911": "***", "alice": "*****", "+36301234567": "+*******4567", "16085550101": "*******0101"} {
		if got := phone.Mask(raw); got != want {
			t.Errorf("Mask(%q) = %q, want %q", raw, got, want)
		}
	}
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"+16085550101", "0036 1 555 0201", "tel:+1-608-555-0101;ext=1", "sip:%2B1@x", "00", "+", "0", "٣"} {
		f.Add(seed, "US")
		f.Add(seed, "HU")
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, raw, country string) {
		phone.Mask(raw)
		for _, n := range phone.Readings(raw, country) {
			if !e164.MatchString(n.String()) {
				t.Fatalf("%q in %q reads as %q", raw, country, n)
			}
			if again, err := phone.Parse(n.String(), ""); err != nil || again != n {
				t.Fatalf("%q reads as %q, which reads as %q, %v", raw, n, again, err)
			}
			n.Pretty()
			n.Country()
		}
	})
}

func TestEmergencyNumbersAreKnownHoweverTheyAreTyped(t *testing.T) {
	for _, e := range []struct{ raw, country string }{
		{"112", "HU"}, {"911", "US"}, {"9-1-1", "US"}, {"911", "HU"}, {"999", ""}, {"104", "HU"}, {"107", "hu"}, {"tel:112", "DE"},
	} {
		if !phone.Emergency(e.raw, e.country) {
			t.Errorf("%s in %q is no emergency number", e.raw, e.country)
		}
	}
	for _, raw := range []string{"+16085550101", "6085550101", "+3611121122", "", "abc"} {
		if phone.Emergency(raw, "US") {
			t.Errorf("%q is an emergency number", raw)
		}
	}
	if !phone.Number("+19005550100").Premium() || phone.Number("+16085550101").Premium() {
		t.Error("premium numbers are not told apart")
	}
}

func TestWhatIsRememberedOfNumbersStaysTrueAndSmall(t *testing.T) {
	t.Parallel()
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range 2000 { // of all four, more than is remembered; neighbours meet
				raw := fmt.Sprintf("+1608%07d", 5550000+i+worker*1500)
				if n, err := phone.Parse(raw, "HU"); err != nil || n.String() != raw || n.Country() != "US" {
					t.Errorf("%s reads as %s in %s: %v", raw, n, n.Country(), err)
					return
				}
			}
		})
	}
	wait.Wait()
	for range 2 { // found out, and remembered: what is no number, and what depends on the country
		if n, err := phone.Parse("555", "US"); err == nil {
			t.Errorf("555 reads as %s", n)
		}
		us, _ := phone.Parse("3615550201", "US")
		hu, _ := phone.Parse("3615550201", "HU")
		if us != "+13615550201" || hu != "+3615550201" {
			t.Errorf("US %s, HU %s", us, hu)
		}
	}
	if most := phone.Remembered(); most > 2*2048 {
		t.Errorf("%d texts are remembered", most)
	}
}
