package api

import (
	"cmp"
	"context"
	"strings"
	"time"
	"unicode"

	"holdfast/services/interim"
	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// timelineDays is how many days are shown when nobody says.
const timelineDays = 14

// GetTimeline shows who answers when, from the routing copy.
func (h *handlers) GetTimeline(ctx context.Context, r GetTimelineRequestObject) (GetTimelineResponseObject, error) {
	c, s, err := h.schedule(ctx, r.ID, r.Schedule)
	if err != nil {
		return nil, err
	}
	t, err := h.timeline(c, s, value(r.Params.From), value(r.Params.Days))
	return GetTimeline200JSONResponse(t), err
}

// timeline is a schedule's; from "": today, days 0: two weeks.
func (h *handlers) timeline(c *routing.Copy, s *roster.Schedule, from string, days int) (Timeline, error) {
	now := h.now()
	first := roster.DateOf(s.Zone, now)
	if from != "" {
		if err := first.UnmarshalText([]byte(from)); err != nil {
			return Timeline{}, badRequest("The first day is written like 2026-11-22.", err)
		}
	}
	starts := roster.DayStarts(s.Zone, first, cmp.Or(days, timelineDays))
	begin, end := starts[0], starts[len(starts)-1]
	out := Timeline{
		Zone: s.Zone, At: now, CheckedAt: h.checkedAt(c), Days: starts, Layers: make([]TimelineLayer, len(s.Layers)),
		Result: stretchesOf(oncall.Plan(c, s, begin, end)), Overrides: []Override{}, People: []TimelinePerson{}, Warnings: []ScheduleWarning{},
	}
	for i := range s.Layers {
		l := &s.Layers[i]
		out.Layers[i] = TimelineLayer{ID: l.ID, Name: l.Name, Rank: l.Rank, Turns: turnsOf(oncall.Turns(s, i, begin, end))}
	}
	for _, o := range s.Overrides {
		if o.To.After(begin) && o.From.Before(end) {
			out.Overrides = append(out.Overrides, overrideShown(oncall.StandingOf(c, s, o)))
		}
	}
	for _, p := range c.PeopleOf(s.Account) {
		if p.Kind == people.Human {
			out.People = append(out.People, TimelinePerson{ID: string(p.ID), Name: p.Name, Initials: initials(p.Name)})
		}
	}
	for _, w := range oncall.Lint(c, s, now) {
		out.Warnings = append(out.Warnings, ScheduleWarning{
			Code: w.Code, Name: aboutOf(c, s, w), From: moment(w.From), To: moment(w.To), Hours: w.Total.Hours(),
		})
	}
	return out, nil
}

func stretchesOf(plan []oncall.Stretch) []TimelineStretch {
	out := make([]TimelineStretch, len(plan))
	for i, p := range plan {
		out[i] = TimelineStretch{From: p.From, To: p.To, Gap: p.Gap, On: make([]TimelineEntry, len(p.On)), Left: make([]string, len(p.Left))}
		for k, e := range p.On {
			out[i].On[k] = TimelineEntry{Person: string(e.Person), Why: string(e.Why), Layer: optional(e.Layer), Override: optional(e.Override)}
		}
		for k, id := range p.Left {
			out[i].Left[k] = string(id)
		}
	}
	return out
}

func turnsOf(all []oncall.Turn) []TimelineTurn {
	out := make([]TimelineTurn, len(all))
	for i, t := range all {
		out[i] = TimelineTurn{From: t.From, To: t.To, On: make([]string, len(t.On))}
		for k, id := range t.On {
			out[i].On[k] = string(id)
		}
	}
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// aboutOf names whom or what a warning is about.
func aboutOf(c *routing.Copy, s *roster.Schedule, w oncall.Warning) string {
	switch {
	case w.Person != "":
		return oncall.NameOf(c, s.Account, w.Person)
	case w.Override != "":
		for _, o := range s.Overrides {
			if o.ID == w.Override {
				return oncall.NameOf(c, s.Account, o.Person)
			}
		}
	case w.Layer != "":
		for i := range s.Layers {
			if s.Layers[i].ID == w.Layer {
				return s.Layers[i].Name
			}
		}
	default:
		return oncall.NameOf(c, s.Account, s.CatchAll)
	}
	return ""
}

// initials are at most two: of the first and the last word that is no title.
func initials(name string) string {
	var words []string
	for _, w := range strings.Fields(name) {
		if !strings.HasSuffix(w, ".") {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		words = strings.Fields(name)
	}
	out := ""
	for i, w := range words {
		if i == 0 || i == len(words)-1 {
			for _, r := range w {
				out += string(unicode.ToUpper(r))
				break
			}
		}
	}
	return out
}

// PostSchedulePreview shows what an edit would do, by the resolver that would then answer.
func (h *handlers) PostSchedulePreview(ctx context.Context, r PostSchedulePreviewRequestObject) (PostSchedulePreviewResponseObject, error) {
	c := h.copyOf(traceOf(ctx).actor.Tenant)
	account := c.Account(tenants.AccountID(r.ID))
	if account == nil {
		return nil, notFound()
	}
	before := find(c, r.ID, value(r.Body.Schedule))
	if before == nil && value(r.Body.Schedule) != "" {
		return nil, notFound()
	}
	var after roster.Schedule
	if before != nil {
		after = *before
	} else {
		after = roster.Schedule{ID: tenants.ScheduleID(tenants.NewID()), Account: account.ID, Zone: account.Zone}
	}
	if err := h.wouldBe(c, &after, *r.Body); err != nil {
		return nil, err
	}
	t, err := h.timeline(c, &after, value(r.Body.From), value(r.Body.Days))
	if err != nil {
		return nil, err
	}
	out := PostSchedulePreview200JSONResponse{Timeline: t, Changes: []ScheduleEffect{}}
	if before == nil {
		return out, nil
	}
	for _, e := range oncall.Changes(c, before, &after, t.Days[0], t.Days[len(t.Days)-1]) {
		out.Changes = append(out.Changes, ScheduleEffect{From: e.From, To: e.To, Before: namesOf(c, account.ID, e.Before), After: namesOf(c, account.ID, e.After)})
	}
	return out, nil
}

// wouldBe makes a schedule what it would be. Errors as those of saving it.
func (h *handlers) wouldBe(c *routing.Copy, s *roster.Schedule, w SchedulePreviewWish) error {
	known := func(id tenants.PersonID) bool { return oncall.NameOf(c, s.Account, id) != "" }
	overrides := s.Overrides
	if w.Change != nil {
		if err := edit(s, *w.Change); err != nil {
			return err
		}
		s.Overrides = nil
		if err := s.Check(known); err != nil {
			return err
		}
	}
	s.Overrides = nil
	now := h.now()
	for _, o := range overrides {
		if o.ID == value(w.End) {
			o.To = now.Truncate(time.Second)
		}
		if o.To.After(o.From) {
			s.Overrides = append(s.Overrides, o)
		}
	}
	if w.Override == nil {
		return nil
	}
	o := interim.OverrideOf(wishOf(*w.Override), "", now)
	if err := interim.CheckOverride(c, s, o, now); err != nil {
		return err
	}
	s.Overrides = append(s.Overrides, o)
	return nil
}

func namesOf(c *routing.Copy, account tenants.AccountID, on []roster.Entry) []string {
	out := make([]string, len(on))
	for i, e := range on {
		out[i] = oncall.NameOf(c, account, e.Person)
	}
	return out
}
