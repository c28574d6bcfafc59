package desk_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
	"holdfast/web/api"
)

const lakesideID = "lakeside-cardiology"

// TestAStandInSetAtTheDeskIsSeenEverywhere: two keys at the desk while both stores are away; the portal that was open shows it with
// its author, the desk and a calendar program name the same person, and it is there, once, after a restart and the stores' return.
func TestAStandInSetAtTheDeskIsSeenEverywhere(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	ctx, folder := t.Context(), "/accounts/"+lakesideID
	boss := n.SignIn(demo.HarborAdmin)
	var plans api.ScheduleList
	boss.Get(folder+"/schedules", &plans)
	schedule := plans.Items[0].ID
	var feed api.FeedMade
	boss.Do(http.MethodPost, "/api/v1"+folder+"/schedules/"+schedule+"/feeds", map[string]string{"name": "Alice"}, &feed)
	var before api.OnCall
	boss.Get(folder+"/on-call", &before)
	portal, err := desk.Open(ctx, desk.Options{URL: n.URL, Folder: t.TempDir(), Complain: t.Output()})
	must(t, err)
	t.Cleanup(portal.Close)
	must(t, portal.Link(ctx, n.URL+"/portal#/oncall/"+lakesideID, demo.HarborAdmin, "[data-timeline]"))
	d := open(t, n, "")
	must(t, d.TakeCalls(ctx, ada))
	until := func(on *desk.Desk, selector string) {
		t.Helper()
		must(t, on.Do(ctx, map[string]any{"do": "until", "selector": selector}, nil))
	}

	n.StoresDown()
	must(t, d.Press(ctx, "c"))
	must(t, d.Type(ctx, "lakes"))
	must(t, d.Press(ctx, "Enter"))
	until(d, "[data-in-force] button")
	must(t, d.Press(ctx, "v", "Enter"))
	until(d, "[data-in-force] [data-override]")
	var after api.OnCall
	boss.Get(folder+"/on-call", &after)
	was, is := before.Now[0].Name, after.Now[0].Name
	if was == is || after.Now[0].Why != "override" || after.Now[0].Person != before.Next.Person {
		t.Fatalf("%s was on call, %s is: %+v", was, is, after.Now)
	}
	must(t, d.Sees(ctx, "instead of "+was, seenBar))
	until(portal, "[data-timeline] .bar.over")
	must(t, portal.Sees(ctx, "by Ada Bennett", seenBar))
	calendar(t, feed.URL, is, was)

	n.Kill()
	n.Run()
	n.Healthy()
	n.StoresUp()
	harness.Eventually(t, 30*time.Second, "the stand-in is in the plan, once", func() bool {
		var line api.Timeline
		if status, raw, err := boss.Try(http.MethodGet, "/api/v1"+folder+"/schedules/"+schedule+"/timeline", nil); err != nil || status != http.StatusOK || json.Unmarshal(raw, &line) != nil {
			return false
		}
		return len(line.Overrides) == 1 && line.Overrides[0].By == "Ada Bennett" && line.Overrides[0].ReplacedName == was
	})
	calendar(t, feed.URL, is, was)
}

// calendar wants the event that holds now, as a calendar program reads it, to name one person and not another.
func calendar(t *testing.T, url, who, not string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	must(t, err)
	text, now, named := strings.ReplaceAll(string(raw), "\r\n ", ""), time.Now().UTC().Format("20060102T150405Z"), ""
	for _, event := range strings.Split(text, "BEGIN:VEVENT")[1:] {
		field := func(name string) string {
			_, rest, _ := strings.Cut(event, "\r\n"+name+":")
			value, _, _ := strings.Cut(rest, "\r\n")
			return value
		}
		if field("DTSTART") <= now && now < field("DTEND") {
			named += field("SUMMARY")
		}
	}
	if answer.StatusCode != http.StatusOK || !strings.Contains(named, who) || strings.Contains(named, not) {
		t.Errorf("%d: a calendar program shows %q, %s is on call instead of %s", answer.StatusCode, named, who, not)
	}
}
