package notify

import (
	"fmt"
	"time"
)

var hungarian = voice{
	code: "hu", urgent: "SÜRGŐS: ", foot: "A levelet a Holdfast küldte, amely akkor is felveszi a telefont, amikor az ügyeleti szolgálat nem tudja. Erre a címre ne válaszoljon: nem olvassa senki.",
	time: func(t time.Time) string {
		return fmt.Sprintf("%d. %s %d., %s %s%s", t.Year(), hungarianMonths[t.Month()-1], t.Day(), hungarianDays[t.Weekday()], t.Format("15:04"), offset(t))
	},
	letter: func(k Kind, d data) letter {
		switch k {
		case Voicemail:
			return hungarianVoicemail(d)
		case Reminder:
			return hungarianReminder(d)
		case Message:
			return hungarianMessage(d)
		case Invitation:
			return letter{
				subject: "Meghívó: " + d.or("tenant_name", "Holdfast-szolgálat"),
				Title:   fmt.Sprintf("Üdvözöljük, %s!", d.or("name", "új munkatárs")),
				Lines: []string{
					fmt.Sprintf("Meghívta Önt a Holdfastba: %s. Szolgálat: %s.", d.or("by", "egy adminisztrátor"), d.or("tenant_name", "nincs megadva")),
					"A hivatkozást megnyitva jelszót választhat, és be is jelentkezik.",
				},
				Button: "Meghívó elfogadása", After: until(d, "A hivatkozás egyszer használható, eddig: %s.", "Ha nem számított erre a levélre, nincs teendője."),
			}
		case Password:
			return letter{
				subject: "Új jelszó választása", Title: "Új jelszó választása",
				Lines:  []string{fmt.Sprintf("%s, valaki új jelszót kért az Ön Holdfast-bejelentkezéséhez.", d.or("name", "Tisztelt felhasználó"))},
				Button: "Új jelszó választása", After: until(d, "A hivatkozás egyszer használható, eddig: %s.", "Ha nem Ön kérte, nincs teendője: a jelszava nem változik."),
			}
		case Activation:
			l := letter{
				subject: fmt.Sprintf("Élesítés – %s: kérjük, jelentkezzen be most", d.or("tenant_name", "az Ön szolgálata")),
				Title:   fmt.Sprintf("Szükség van Önre: %s", d.or("tenant_name", "az Ön szolgálata")),
				Lines:   []string{fmt.Sprintf("%s, a hívások hamarosan a Holdfasthoz érkeznek. Egy kattintással bejelentkezik; utána jelezze, hogy fogad hívásokat.", d.or("name", "Tisztelt kolléga"))},
				Button:  "Bejelentkezés és hívásfogadás", After: until(d, "A hivatkozás csak Önnek szól, egyszer használható, eddig: %s.", ""),
			}
			l.row("Élesítette", d.get("by"))
			l.row("Oka", d.get("cause"))
			return l
		}
		return letter{subject: "Értesítés a Holdfasttól", Title: "Értesítés a Holdfasttól", Button: "Megnyitás"}
	},
}

func hungarianVoicemail(d data) letter {
	account := d.or("account_name", "ismeretlen ügyfél")
	l := letter{subject: "Hangüzenet – " + account, Title: "Hangüzenet érkezett: " + account, Button: "Meghallgatás és lezárás"}
	if d.yes("empty") {
		l.subject, l.Title = "A hívó a sípszónál letette – "+account, "Egy hívó nem mondott semmit a hangpostán: "+account
	}
	if d.yes("urgent") {
		l.Lines = append(l.Lines, "A hívó sürgősnek jelölte.")
	}
	l.row("Ügyfél", d.get("account_name"))
	l.row("Hívó", d.or("caller", "rejtett szám"))
	l.row("Mikor", d.when("at"))
	l.row("Hossza", d.get("duration"))
	return l
}

func hungarianReminder(d data) letter {
	l := letter{
		subject: d.get("count") + " hangüzenet vár intézésre", Title: d.get("count") + " hangüzenet vár intézésre", Button: "Hangüzenetek megnyitása",
		After: []string{"Óránként emlékeztetjük, amíg minden üzenetet le nem zárnak."},
	}
	l.row("A legrégebbi", d.when("oldest"))
	return l
}

func hungarianMessage(d data) letter {
	l := letter{
		subject: fmt.Sprintf("%s. számú üzenet – %s", d.get("number"), d.or("account_name", "Önnek")),
		Title:   fmt.Sprintf("%s. számú üzenet – %s", d.get("number"), d.or("for", d.or("account_name", "Önnek"))), Body: paragraphs(d.values["text"]),
	}
	if d.yes("urgent") {
		l.Lines = append(l.Lines, "Az üzenet sürgős.")
	}
	if d.yes("withheld") {
		l.Lines = append(l.Lines, "A tartalma nem szerepel ebben a levélben, mert valakinek az egészségéről szólhat. Jelentkezzen be az elolvasásához!")
		l.Button = "Bejelentkezés és az üzenet elolvasása"
	}
	l.row("Ügyfél", d.get("account_name"))
	l.row("Címzett", d.get("for"))
	l.row("Hívó", d.get("name"))
	l.row("Visszahívható", d.get("callback"))
	l.row("Felvéve", d.when("at"))
	l.row("Felvette", d.get("by"))
	return l
}

var (
	hungarianMonths = [...]string{"január", "február", "március", "április", "május", "június", "július", "augusztus", "szeptember", "október", "november", "december"}
	hungarianDays   = [...]string{"vasárnap", "hétfő", "kedd", "szerda", "csütörtök", "péntek", "szombat"}
)
