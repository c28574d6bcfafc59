package acd_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"holdfast/services/acd"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type grades = map[string]routing.Grade

func caller(id string, ago time.Duration, languages ...string) acd.Waiting {
	return acd.Waiting{
		Call: tenants.CallID(id), Tenant: "harbor", Account: "lakeside", Node: "a", Languages: languages, Since: noon.Add(-ago),
	}
}

func operator(id string, idle time.Duration, g grades) acd.Operator {
	return acd.Operator{
		ID: tenants.OperatorID(id), Tenant: "harbor", Name: id, Node: "a", Languages: g, Idle: true, IdleSince: noon.Add(-idle),
	}
}

func TestWhoAnswersWhom(t *testing.T) {
	t.Parallel()
	en, both := grades{"en": routing.Native}, grades{"en": routing.Native, "es": routing.Fluent}
	with := func(w acd.Waiting, change func(*acd.Waiting)) acd.Waiting { change(&w); return w }
	but := func(o acd.Operator, change func(*acd.Operator)) acd.Operator { change(&o); return o }
	for name, c := range map[string]struct {
		waiting   []acd.Waiting
		operators []acd.Operator
		want      string
	}{
		"nobody waits":   {nil, []acd.Operator{operator("ada", 0, en)}, ""},
		"nobody is idle": {[]acd.Waiting{caller("1", 0, "en")}, nil, ""},
		"who waits longest": {
			[]acd.Waiting{caller("1", time.Second, "en"), caller("2", time.Minute, "en")},
			[]acd.Operator{operator("ada", 0, en)},
			"2-ada",
		},
		"who has been idle longest": {
			[]acd.Waiting{caller("1", 0, "en")},
			[]acd.Operator{operator("ada", time.Second, en), operator("ben", time.Minute, en)},
			"1-ben",
		},
		"the lowest id when idle alike": {
			[]acd.Waiting{caller("1", 0, "en")},
			[]acd.Operator{operator("ben", time.Second, en), operator("ada", time.Second, en)},
			"1-ada",
		},
		"the better grade before the longer idle": {
			[]acd.Waiting{caller("1", 0, "es")},
			[]acd.Operator{operator("ada", 0, grades{"es": routing.Native}), operator("ben", time.Hour, both)},
			"1-ada",
		},
		"the first wanted language before a better grade in the second": {
			[]acd.Waiting{caller("1", 0, "es", "en")},
			[]acd.Operator{operator("ada", time.Hour, en), operator("ben", 0, grades{"es": routing.Basic})},
			"1-ben",
		},
		"a second language that is not needed gives no rank": {
			[]acd.Waiting{caller("1", 0, "en", "es")},
			[]acd.Operator{operator("ada", 0, both), operator("ben", time.Minute, en)},
			"1-ben",
		},
		"nobody without the language": {
			[]acd.Waiting{caller("1", 0, "hu")}, []acd.Operator{operator("ada", 0, en)}, "",
		},
		"any language when none is wanted": {
			[]acd.Waiting{caller("1", 0)}, []acd.Operator{operator("ada", 0, nil)}, "1-ada",
		},
		"priority before waiting time": {
			[]acd.Waiting{caller("1", time.Hour, "en"), with(caller("2", 0, "en"), func(w *acd.Waiting) { w.Priority = 10 })},
			[]acd.Operator{operator("ada", 0, en)},
			"2-ada",
		},
		"who lost an operator before everybody": {
			[]acd.Waiting{
				with(caller("1", time.Hour, "en"), func(w *acd.Waiting) { w.Priority = 10 }),
				with(caller("2", 0, "en"), func(w *acd.Waiting) { w.Front = true }),
			},
			[]acd.Operator{operator("ada", 0, en)},
			"2-ada",
		},
		"a caller nobody here can help holds nobody up": {
			[]acd.Waiting{caller("1", time.Hour, "hu"), caller("2", 0, "en")},
			[]acd.Operator{operator("ada", 0, en)},
			"2-ada",
		},
		"not while an offer is out": {
			[]acd.Waiting{with(caller("1", 0, "en"), func(w *acd.Waiting) { w.Offering = true })},
			[]acd.Operator{operator("ada", 0, en)},
			"",
		},
		"not who is busy or rests": {
			[]acd.Waiting{caller("1", 0, "en")},
			[]acd.Operator{
				but(operator("ada", 0, en), func(o *acd.Operator) { o.Idle = false }),
				but(operator("ben", 0, en), func(o *acd.Operator) { o.BackoffUntil = noon.Add(1) }),
			},
			"",
		},
		"who has rested": {
			[]acd.Waiting{caller("1", 0, "en")},
			[]acd.Operator{but(operator("ben", 0, en), func(o *acd.Operator) { o.BackoffUntil = noon })},
			"1-ben",
		},
		"not for an account that is not theirs": {
			[]acd.Waiting{caller("1", 0, "en")},
			[]acd.Operator{
				but(operator("ada", 0, en), func(o *acd.Operator) { o.Accounts = []tenants.AccountID{"prairie"} }),
				but(operator("ben", 0, en), func(o *acd.Operator) { o.Accounts = []tenants.AccountID{} }),
			},
			"",
		},
		"never another tenant": {
			[]acd.Waiting{caller("1", 0, "en")},
			[]acd.Operator{but(operator("zoe", 0, en), func(o *acd.Operator) { o.Tenant = "mesa" })},
			"",
		},
		"who declined comes last": {
			[]acd.Waiting{with(caller("1", 0, "en"), func(w *acd.Waiting) {
				w.Declined = map[tenants.OperatorID]time.Time{"ada": noon.Add(time.Second)}
			})},
			[]acd.Operator{operator("ada", time.Hour, en), operator("ben", 0, en)},
			"1-ben",
		},
		"who declined, when nobody else is free": {
			[]acd.Waiting{with(caller("1", 0, "en"), func(w *acd.Waiting) {
				w.Declined = map[tenants.OperatorID]time.Time{"ada": noon.Add(time.Second)}
			})},
			[]acd.Operator{operator("ada", time.Hour, en)},
			"1-ada",
		},
		"given to one, whatever the language": {
			[]acd.Waiting{with(caller("1", 0, "hu"), func(w *acd.Waiting) { w.Only = "ben" })},
			[]acd.Operator{operator("ada", time.Hour, grades{"hu": routing.Native}), operator("ben", 0, en)},
			"1-ben",
		},
		"each once": {
			[]acd.Waiting{caller("1", 3, "en"), caller("2", 2, "es"), caller("3", 1, "en")},
			[]acd.Operator{operator("ada", time.Minute, both), operator("ben", time.Second, en)},
			"1-ada 3-ben",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, m := range acd.Pick(c.waiting, c.operators, noon) {
				got += fmt.Sprintf(" %s-%s", m.Call, m.Operator)
				if m.Why == "" {
					t.Error("no reason given")
				}
			}
			if got = trim(got); got != c.want {
				t.Errorf("picked %q; want %q", got, c.want)
			}
		})
	}
}

func trim(s string) string {
	if s == "" {
		return s
	}
	return s[1:]
}

// crowd draws callers and operators with few ids, so that everything collides.
func crowd(t *rapid.T) ([]acd.Waiting, []acd.Operator) {
	languages := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"en", "es", "hu"}), 0, 3, rapid.ID)
	tenant := rapid.SampledFrom([]tenants.TenantID{"harbor", "mesa"})
	account := rapid.SampledFrom([]tenants.AccountID{"x", "y"})
	moment := rapid.Map(rapid.IntRange(-60, 5), func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) })
	person := rapid.SampledFrom([]tenants.OperatorID{"a", "b", "c", "d", "e", "f"})
	waiting := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) acd.Waiting {
		w := acd.Waiting{
			Call:   tenants.CallID(rapid.StringMatching("[1-9]").Draw(t, "call")),
			Tenant: tenant.Draw(t, "tenant"), Account: account.Draw(t, "account"), Node: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node"),
			Languages: languages.Draw(t, "languages"), Since: moment.Draw(t, "since"), Priority: rapid.IntRange(0, 1).Draw(t, "priority"),
			Front: rapid.Bool().Draw(t, "front"), Offering: rapid.Bool().Draw(t, "offering"),
			Declined: rapid.MapOf(person, moment).Draw(t, "declined"),
		}
		if rapid.IntRange(0, 5).Draw(t, "given") == 0 {
			w.Only = person.Draw(t, "only")
		}
		return w
	}), 0, 12).Draw(t, "waiting")
	operators := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) acd.Operator {
		o := acd.Operator{
			ID: person.Draw(t, "id"), Tenant: tenant.Draw(t, "tenant"), Idle: rapid.Bool().Draw(t, "idle"),
			Languages: map[string]routing.Grade{}, IdleSince: moment.Draw(t, "idle since"), BackoffUntil: moment.Draw(t, "backoff"),
			Node: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node"),
		}
		for _, l := range languages.Draw(t, "speaks") {
			o.Languages[l] = routing.Grade(rapid.IntRange(0, 3).Draw(t, "grade"))
		}
		if rapid.Bool().Draw(t, "limited") {
			o.Accounts = []tenants.AccountID{account.Draw(t, "only account")}
		}
		return o
	}), 0, 8).Draw(t, "operators")
	// One call and one operator stand once in a node's view, as the queue makes sure.
	waiting = distinct(waiting, func(w acd.Waiting) tenants.CallID { return w.Call })
	operators = distinct(operators, func(o acd.Operator) tenants.OperatorID { return o.ID })
	return waiting, operators
}

func distinct[T any, K comparable](items []T, key func(T) K) []T {
	seen := map[K]bool{}
	return slices.DeleteFunc(items, func(i T) bool {
		k := key(i)
		defer func() { seen[k] = true }()
		return seen[k]
	})
}

func TestPickIsSafeCompleteAndTheSameForEveryOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		waiting, operators := crowd(t)
		matches := acd.Pick(waiting, operators, noon)
		calls, people := map[tenants.CallID]bool{}, map[tenants.OperatorID]bool{}
		for _, m := range matches {
			if calls[m.Call] || people[m.Operator] {
				t.Fatalf("%v twice", m)
			}
			calls[m.Call], people[m.Operator] = true, true
			w := waiting[slices.IndexFunc(waiting, func(w acd.Waiting) bool { return w.Call == m.Call })]
			o := operators[slices.IndexFunc(operators, func(o acd.Operator) bool { return o.ID == m.Operator })]
			if !acd.Eligible(&w, &o) || w.Offering || !o.Idle || o.BackoffUntil.After(noon) {
				t.Fatalf("%v is not allowed", m)
			}
		}
		for _, w := range waiting {
			for _, o := range operators {
				if !w.Offering && o.Idle && !o.BackoffUntil.After(noon) && acd.Eligible(&w, &o) && !calls[w.Call] && !people[o.ID] {
					t.Fatalf("%s waits beside %s", w.Call, o.ID)
				}
			}
		}
		shuffledW := rapid.Permutation(waiting).Draw(t, "other order of callers")
		shuffledO := rapid.Permutation(operators).Draw(t, "other order of operators")
		if again := acd.Pick(shuffledW, shuffledO, noon); !slices.Equal(matches, again) {
			t.Fatalf("%v\nin another order of the same:\n%v", matches, again)
		}
	})
}
