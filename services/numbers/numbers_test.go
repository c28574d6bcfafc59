package numbers

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plan is a source in memory.
type plan struct {
	mu       sync.Mutex
	copies   map[tenants.TenantID]routing.Copy
	versions map[tenants.TenantID]int64
	trunks   []routing.Trunk
	clips    map[string][]byte // recordings, by tenant and hash
	away     bool
	compiled int
}

var errAway = errors.New("away")

func (p *plan) Versions(context.Context) (map[tenants.TenantID]int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return nil, errAway
	}
	out := make(map[tenants.TenantID]int64)
	for id, v := range p.versions {
		out[id] = v
	}
	return out, nil
}

func (p *plan) Compile(_ context.Context, id tenants.TenantID) (*routing.Copy, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return nil, 0, errAway
	}
	p.compiled++
	c, ok := p.copies[id]
	if !ok {
		return nil, p.versions[id], nil
	}
	return &c, p.versions[id], nil
}

func (p *plan) Recording(_ context.Context, tenant tenants.TenantID, hash string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clip, ok := p.clips[string(tenant)+hash]
	if !ok {
		return nil, errAway
	}
	return clip, nil
}

func (p *plan) Trunks(context.Context) ([]routing.Trunk, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trunks, nil
}

func (p *plan) set(id tenants.TenantID, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.copies[id] = routing.Copy{Tenant: id, Name: name, Numbers: []routing.Number{{E164: "+1608555" + name, Account: "a"}}}
	p.versions[id]++
}

func (p *plan) drop(id tenants.TenantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.copies, id)
	p.versions[id]++
}

type board struct {
	mu   sync.Mutex
	open map[string]string
}

func (b *board) Raise(_ tenants.TenantID, key, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[key] = text
}

func (b *board) Clear(_ tenants.TenantID, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, key)
}

type bundle struct {
	plan     *plan
	book     *routing.Book
	board    *board
	shelf    Shelf
	compiler *Compiler
	told     [][]routing.Trunk
}

func setup(t *testing.T, dir string) *bundle {
	t.Helper()
	b := &bundle{
		plan:  &plan{copies: map[tenants.TenantID]routing.Copy{}, versions: map[tenants.TenantID]int64{}, clips: map[string][]byte{}},
		book:  &routing.Book{},
		board: &board{open: map[string]string{}},
		shelf: Shelf{Dir: dir},
	}
	b.plan.trunks = []routing.Trunk{{Name: "demo", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}}}
	b.compiler = New(Config{
		Source: b.plan, Shelf: b.shelf, Clips: &Clips{Dir: filepath.Join(dir, "greetings")}, Book: b.book, Alarms: b.board, Log: slog.New(slog.DiscardHandler),
		Trunks: func(t []routing.Trunk) { b.told = append(b.told, t) },
	})
	return b
}

func (b *bundle) check(t *testing.T) {
	t.Helper()
	if err := b.compiler.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestChangesReachTheBookAndTheShelfAndNothingElseIsCompiled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "routing")
	b := setup(t, dir)
	b.plan.set("harbor", "0101")
	b.plan.set("mesa", "0301")
	b.check(t)
	b.check(t)
	if b.plan.compiled != 2 || len(b.told) != 1 {
		t.Errorf("compiled %d times, told of trunks %d times", b.plan.compiled, len(b.told))
	}
	b.plan.set("mesa", "0302")
	b.check(t)
	if _, _, ok := b.book.Lookup("+16085550302"); !ok || b.plan.compiled != 3 {
		t.Errorf("after a change: %v, compiled %d", ok, b.plan.compiled)
	}
	b.plan.drop("harbor")
	b.check(t)
	if b.book.Copy("harbor") != nil {
		t.Error("a tenant that is gone is in the book")
	}
	stock := b.shelf.Load()
	if len(stock.Copies) != 1 || stock.Copies[0].Tenant != "mesa" || len(stock.Trunks) != 1 || len(stock.Problems) != 0 {
		t.Errorf("shelf: %+v", stock)
	}
}

func TestANodeAnswersFromItsShelfWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "routing")
	first := setup(t, dir)
	first.plan.set("harbor", "0101")
	first.check(t)

	second := setup(t, dir)
	second.plan.away = true
	if n := second.compiler.Restore(); n != 1 {
		t.Fatalf("restored %d tenants", n)
	}
	if err := second.compiler.Check(t.Context()); !errors.Is(err, errAway) {
		t.Fatalf("check: %v", err)
	}
	if tenant, _, ok := second.book.Lookup("+16085550101"); !ok || tenant != "harbor" || len(second.told) != 1 {
		t.Errorf("%s %v, told %v", tenant, ok, second.told)
	}
}

func TestADamagedCopyIsSetAsideAndTheOneBeforeIsUsed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "routing")
	b := setup(t, dir)
	b.plan.set("harbor", "0101")
	b.check(t)
	b.plan.set("harbor", "0102")
	b.check(t)
	path := filepath.Join(dir, "harbor.copy")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "strange.copy"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := setup(t, dir)
	if n := again.compiler.Restore(); n != 1 {
		t.Fatalf("restored %d tenants", n)
	}
	if _, _, ok := again.book.Lookup("+16085550101"); !ok {
		t.Error("the copy before is not used")
	}
	if len(again.board.open) != 2 {
		t.Errorf("alarms: %v", again.board.open)
	}
	if _, err := os.Stat(path + ".bad"); err != nil {
		t.Error(err)
	}
	again.plan.set("harbor", "0103")
	again.check(t)
	if again.board.open["routing_copy:harbor"] != "" {
		t.Errorf("the alarm stays after a good copy: %v", again.board.open)
	}
}

func TestACopyOfANewerBuildIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := Shelf{Dir: dir}
	if err := s.Save(&routing.Copy{Tenant: "harbor"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "harbor.copy")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[4] = 9
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	stock := s.Load()
	if len(stock.Copies) != 0 || len(stock.Problems) != 1 || !errors.Is(stock.Problems[0].Err, routing.ErrNewer) {
		t.Errorf("%+v", stock)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(raw) {
		t.Error("the newer file was touched")
	}
}

func TestAFolderThatCannotBeWrittenIsAnAlarmAndCallsAreAnswered(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "routing")
	if err := os.WriteFile(dir, []byte("a file in its place"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := setup(t, dir)
	b.compiler.Restore()
	b.plan.set("harbor", "0101")
	b.check(t)
	if _, _, ok := b.book.Lookup("+16085550101"); !ok || b.board.open["routing_copy:harbor"] == "" {
		t.Errorf("found %v, alarms %v", ok, b.board.open)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	b.check(t)
	if len(b.shelf.Load().Copies) != 1 || b.board.open["routing_copy:harbor"] != "" {
		t.Errorf("the copy was not written when the disk was back: %v", b.board.open)
	}
}

func TestTheCompilerFollowsAndStops(t *testing.T) {
	t.Parallel()
	b := setup(t, t.TempDir())
	b.plan.set("harbor", "0101")
	b.compiler.Start()
	b.compiler.Start()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); b.book.Copy("harbor") == nil; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("not compiled")
		}
	}
	b.compiler.Stop()
	b.compiler.Stop()
	New(Config{Book: b.book}).Stop()
}

func TestARecordingIsOnTheNodeBeforeItsCopyIsAndSurvivesTheDatabase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "routing")
	b := setup(t, dir)
	clip := []byte("you have reached the plumber")
	hash := hashOf(clip)
	name := func(h string) {
		b.plan.mu.Lock()
		defer b.plan.mu.Unlock()
		b.plan.copies["harbor"] = routing.Copy{Tenant: "harbor", Accounts: []routing.Account{{ID: "a", Greetings: map[string]string{"en": routing.Recorded + h, "es": "greeting-a"}}}}
		b.plan.versions["harbor"]++
	}
	name(hash)
	b.check(t)
	clips := b.compiler.cfg.Clips
	if _, ok := clips.Clip(hash); ok || b.board.open["greetings:harbor"] == "" || b.book.Copy("harbor") == nil {
		t.Fatalf("a recording that cannot be had: %v", b.board.open)
	}
	b.plan.mu.Lock()
	b.plan.clips["mesa"+hash], b.plan.clips["harbor"+hash] = []byte("not this one"), clip
	b.plan.mu.Unlock()
	b.check(t)
	if got, ok := clips.Clip(hash); !ok || string(got) != string(clip) || b.board.open["greetings:harbor"] != "" {
		t.Fatalf("%q %v, alarms %v", got, ok, b.board.open)
	}

	again := setup(t, dir) // another start, and nobody to ask
	again.plan.away = true
	again.compiler.Restore()
	if got, ok := again.compiler.cfg.Clips.Clip(hash); !ok || string(got) != string(clip) {
		t.Errorf("after a restart: %q %v", got, ok)
	}
	path := filepath.Join(dir, "greetings", hash)
	if err := os.WriteFile(path, clip[:5], 0o600); err != nil {
		t.Fatal(err)
	}
	third := setup(t, dir)
	third.compiler.Restore()
	if _, ok := third.compiler.cfg.Clips.Clip(hash); ok {
		t.Error("a damaged recording is played")
	}
	for _, name := range []string{"", "../../etc/passwd", strings.Repeat("g", 64)} {
		if _, ok := third.compiler.cfg.Clips.Clip(name); ok {
			t.Errorf("%q is played", name)
		}
	}
	third.plan.copies["harbor"], third.plan.versions["harbor"] = b.plan.copies["harbor"], 9
	third.plan.clips["harbor"+hash] = clip
	third.check(t)
	if got, ok := third.compiler.cfg.Clips.Clip(hash); !ok || string(got) != string(clip) {
		t.Errorf("it is not fetched anew: %q %v", got, ok)
	}
}

func TestRecordingsThatNothingNamesGoAfterAWeek(t *testing.T) {
	t.Parallel()
	c := &Clips{Dir: t.TempDir()}
	old, used := []byte("old"), []byte("used")
	for _, clip := range [][]byte{old, used} {
		if err := c.Save(hashOf(clip), clip); err != nil {
			t.Fatal(err)
		}
	}
	c.Sweep(map[string]bool{hashOf(used): true}, time.Now().Add(keptFor-time.Hour))
	if entries, _ := os.ReadDir(c.Dir); len(entries) != 2 {
		t.Errorf("%v are left after a day", entries)
	}
	c.Sweep(map[string]bool{hashOf(used): true}, time.Now().Add(keptFor+time.Hour))
	if entries, _ := os.ReadDir(c.Dir); len(entries) != 1 || entries[0].Name() != hashOf(used) {
		t.Errorf("%v are left after a week", entries)
	}
}
