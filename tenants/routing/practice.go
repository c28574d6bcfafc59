package routing

import (
	"cmp"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// PracticeAccount is the account that a robot's call is for. It belongs to no tenant: it exists while somebody practises, and
// nothing of it is kept. No client can have its name: tenants.ParseAccountID refuses it.
const PracticeAccount tenants.AccountID = "~practice"

// practiceIn is what the practice account says in one language.
type practiceIn struct {
	name, initials, phrase, instructions, schedule, layer, role string
	people                                                      [2]string
	numbers                                                     [2]string
}

// The numbers are set aside for fiction, or can be given to nobody.
var practices = map[string]practiceIn{
	"en": {
		name: "Practice Clinic", initials: "PC", phrase: "Practice Clinic, this is {operator}. How may I help you?",
		instructions: "Practice: the robot asks you to write something down.\nWrite name, number and text, and save (Ctrl S). Then note to whom you handed it over.\nA real caller ends this at once; what you wrote here is not kept.",
		schedule:     "On call (practice)", layer: "Day and night", role: "made up, for practice",
		people: [2]string{"Dr. Sample", "Nurse Example"}, numbers: [2]string{"+12025550143", "+12025550144"},
	},
	"hu": {
		name: "Gyakorló Rendelő", initials: "GY", phrase: "Gyakorló Rendelő, jó napot kívánok, {operator} vagyok. Miben segíthetek?",
		instructions: "Gyakorlás: a robot megkéri, hogy írjon fel valamit.\nÍrja be a nevet, a számot és a szöveget, majd mentse (Ctrl S). Ezután jegyezze fel, kinek adta át.\nValódi hívó esetén ez azonnal véget ér; amit itt ír, nem marad meg.",
		schedule:     "Ügyelet (gyakorlás)", layer: "Nappal és éjjel", role: "kitalált személy, gyakorláshoz",
		people: [2]string{"Dr. Minta Anna", "Példa Péter nővér"}, numbers: [2]string{"+3615550143", "+3615550144"},
	},
}

// Practice is the routing copy of the practice account in a language, as of at: an account with instructions, people, and
// somebody on call, so that a robot's call shows all that a real one does. An unknown language is English; zone is IANA's.
func Practice(language, zone string, at time.Time) *Copy {
	is, known := practices[language]
	if !known {
		language, is = "en", practices["en"]
	}
	zone = cmp.Or(zone, "UTC")
	c := &Copy{
		Tenant: "practice", Name: is.name, Zone: zone, Language: language, State: Standby, CompiledAt: at,
		Accounts: []Account{{
			ID: PracticeAccount, Name: is.name, Initials: is.initials, Colour: "slate", Shape: "square", Languages: []string{language},
			Zone: zone, Phrases: map[string]string{language: is.phrase}, Instructions: is.instructions,
		}},
	}
	ids := []tenants.PersonID{"0192f0c4-0000-7000-8000-0000000000a1", "0192f0c4-0000-7000-8000-0000000000a2"}
	for i, id := range ids {
		c.People = append(c.People, people.Person{
			ID: id, Account: PracticeAccount, Kind: people.Human, Name: is.people[i], Role: is.role,
			Methods: []people.ContactMethod{{Kind: people.Mobile, Value: is.numbers[i]}},
		})
	}
	c.Schedules = []roster.Schedule{{
		ID: "0192f0c4-0000-7000-8000-0000000000a3", Account: PracticeAccount, Name: is.schedule, Zone: zone, CatchAll: ids[0],
		Layers: []roster.Layer{{
			ID: "l", Name: is.layer, Rotation: roster.Custom, Every: 12, Unit: roster.Hours, Handover: 480, From: roster.On(2026, 1, 1),
			Participants: [][]tenants.PersonID{{ids[0]}, {ids[1]}},
		}},
	}}
	c.Sort()
	return c
}
