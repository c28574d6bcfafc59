package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers"
	"holdfast/media/record"
	"holdfast/services/activation"
	"holdfast/services/directory"
	"holdfast/services/identity"
	"holdfast/services/interim"
	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/services/numbers"
	"holdfast/services/oncall"
	"holdfast/services/ticket"
	"holdfast/services/voicemail"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// serveCmd is "holdfast serve": one node, with the stores that are configured.
type serveCmd struct{}

// Help says how people are told, which no other setting shows.
func (serveCmd) Help() string {
	return "Mail goes to HOLDFAST_SMTP_URL, smtp://USER:PASSWORD@HOST:587?from=ADDRESS (smtps:// for TLS from the start; after a " +
		"comma, servers that stand in). Unset, mails are .eml files in HOLDFAST_DATA/mail."
}

// Run answers calls until SIGTERM or SIGINT, drains, and stops; a second signal stops at once.
func (serveCmd) Run() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if err := s.checkRoles(); err != nil {
		return err
	}
	if s.DatabaseURL == "" || s.RedisURL == "" {
		return errors.New(`HOLDFAST_DATABASE_URL and HOLDFAST_REDIS_URL are not set: set them, or let "holdfast up" run private servers`)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	slog.SetDefault(log)
	boundMemory(os.DirFS("/"), log)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	// Two services on one folder would write one journal and one message over the other's.
	release, err := servers.Lock(s.Data, "serve.lock")
	switch {
	case errors.Is(err, servers.ErrLocked):
		return err
	case err != nil:
		log.Error("the data folder cannot be locked: callers are answered all the same", "error", err)
	default:
		defer func() { _ = release() }() // ends with the process anyway
	}
	n, err := newNode(s, log)
	if err != nil {
		return err
	}
	defer n.stop()
	if err := n.start(); err != nil {
		return err
	}
	failure := n.untilSignal(signals) // whatever failed, the live calls may end first
	n.drain(signals, failure)
	return failure
}

// drain lets the live calls end, for as long as HOLDFAST_DRAIN says and until a second signal; new ones go elsewhere.
func (n *node) drain(signals <-chan os.Signal, failure error) {
	ctx, cancel := context.WithTimeout(context.Background(), n.settings.Drain)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	n.draining.Store(true)
	calls := n.answering.board.Calls()
	n.log.Info("shutting down: live calls may end", "limit", n.settings.Drain, "calls", calls, "failure", failure)
	if calls > 0 {
		n.journal.Raise(tenants.Platform, drainAlarm, fmt.Sprintf("%s is shutting down: new calls go elsewhere, and %d live ones may end until %s",
			n.settings.Node, calls, time.Now().Add(n.settings.Drain).UTC().Format("15:04:05 UTC")), journal.Warning)
	}
	n.answering.drain(ctx)
	n.journal.Clear(tenants.Platform, drainAlarm)
}

// drainAlarm is open while live calls end before the process does.
const drainAlarm = "draining"

// errDraining is why a node that shuts down is not ready.
var errDraining = errors.New("shutting down")

// The roles of HOLDFAST_ROLES. A process with all of them is a whole node; each journals what it does on its own disk,
// ships that itself, and keeps routing copies.
const (
	roleCall   = "call"   // SIP, media, queue, the operators' desk and its socket
	roleWeb    = "web"    // the portal's socket; with call or web the process serves API and pages
	roleWorker = "worker" // brings the database up to this build, and loads demonstration data
)

// checkRoles refuses roles that do not exist: a typing error must not start a node that answers nothing.
func (s *settings) checkRoles() error {
	for _, r := range s.Roles {
		if r != roleCall && r != roleWeb && r != roleWorker {
			return fmt.Errorf("HOLDFAST_ROLES must be a list of call, web and worker, not %q", r)
		}
	}
	if len(s.Roles) == 0 {
		return errors.New("HOLDFAST_ROLES names no role: use call, web, worker or several of them")
	}
	return nil
}

// node is one process of the service: what answers calls, and beside it what keeps and shows.
type node struct {
	settings   *settings
	log        *slog.Logger
	journal    *journal.Journal
	tapes      *record.Store
	book       *routing.Book
	clips      *numbers.Clips
	directory  directory.Directory
	compiler   *numbers.Compiler
	compiled   atomic.Bool // every tenant was, since this process began
	outbox     *notify.Outbox
	herald     *voicemail.Herald
	reminder   *voicemail.Reminder // nil: this process is no worker
	tickets    *ticket.Desk
	cert       *renewed // of HTTPS; nil: no TLS
	certNote   string   // what the ready line says of it
	sipCert    *renewed // of SIP over TLS, perhaps the same; nil: none
	answering  *answering
	stores     *stores
	staff      *identity.Staff
	site       *site
	failed     chan error
	draining   atomic.Bool
	activation *activation.Service
	interim    *interim.Board
	guard      *oncall.Guard
	warden     *warden
}

// newNode makes everything, in the order of need: disk, then what answers, then stores, then pages. Nothing of it
// connects anywhere.
func newNode(s *settings, log *slog.Logger) (n *node, err error) {
	n = &node{settings: s, log: log, book: &routing.Book{}, failed: make(chan error, 1)}
	for _, dir := range []string{"run", "keys", "spool", "recordings", "routing", "tickets", "activation"} {
		if err := os.MkdirAll(s.dir(dir), 0o700); err != nil { // a disk that refuses must not keep callers from an answer
			log.Error("the data folder cannot be used", "folder", dir, "err", err)
		}
	}
	if n.journal, err = journal.Open(journal.Config{Dir: s.dir("spool"), Node: s.Node, Log: log}); err != nil {
		return nil, err
	}
	keys, err := loadRecordingKeys(s)
	if err != nil {
		return nil, err
	}
	if n.tapes, err = record.New(record.Config{Dir: s.dir("recordings"), Second: secondDisk(s, log), Keys: keys, Log: log, Alarm: n.tapeAlarm}); err != nil {
		return nil, err
	}
	n.outbox = newOutbox(n)
	n.herald = newHerald(n)
	n.tickets = newTickets(n)
	n.interim = newInterim(n)
	n.guard = oncall.NewGuard(oncall.GuardConfig{Book: n.book, Alarms: warnings{n.journal}, Log: log})
	n.clips = &numbers.Clips{Dir: filepath.Join(s.dir("routing"), "greetings")}
	if n.cert, n.certNote, err = newRenewed(s, time.Now(), log); err != nil {
		return nil, err
	}
	if n.sipCert, err = sipCertificate(s, n.cert, time.Now(), log); err != nil { // a disk that refuses: UDP and TCP answer without it
		log.Error("SIP over TLS is off: there is no certificate", "err", err)
		n.journal.Raise(tenants.Platform, sipCertificateAlarm, "SIP over TLS is off, because its certificate cannot be made: "+err.Error(), journal.Critical)
		s.SIPTLS = ""
	} else if n.sipCert == nil || n.sipCert == n.cert {
		n.journal.Clear(tenants.Platform, sipCertificateAlarm) // of a certificate that is shown no more
	}
	if n.answering, err = newAnswering(s, log, n.journal, n.tapes, n.book, n.clips, n.tickets, n.sipCert); err != nil {
		return nil, err
	}
	if n.stores, err = newStores(s, log, n.journal, n.answering.queue); err != nil {
		return nil, err
	}
	n.compiler = numbers.New(numbers.Config{
		Source: n.stores.numbers, Shelf: numbers.Shelf{Dir: s.dir("routing")}, Clips: n.clips, Book: n.book, Prepare: n.directory.Prepare,
		Trunks: forgetCarriers(n.journal, n.answering.trunks.SetTrunks), Alarms: warnings{n.journal}, Log: log,
	})
	n.activation = newActivation(n)
	n.staff = newStaff(n)
	if n.site, err = newSite(n); err != nil {
		return n, err
	}
	n.warden = newWarden(n)
	return n, nil
}

func loadRecordingKeys(s *settings) (*record.Keys, error) {
	path := s.MasterKeyFile
	if path == "" {
		path = filepath.Join(s.dir("keys"), "master")
	}
	keys, err := record.LoadKeys(path)
	if err != nil {
		return nil, fmt.Errorf("the master key of the recordings (%s): %w", path, err)
	}
	return keys, nil
}

func (n *node) tapeAlarm(open bool, text string) {
	if open {
		n.journal.Raise(tenants.Platform, "recording_disk", text, journal.Critical)
	} else {
		n.journal.Clear(tenants.Platform, "recording_disk")
	}
}

// warnings lets packages raise alarms without knowing severities.
type warnings struct{ j *journal.Journal }

func (w warnings) Raise(t tenants.TenantID, key, text string) {
	w.j.Raise(t, key, text, journal.Warning)
}
func (w warnings) Clear(t tenants.TenantID, key string) { w.j.Clear(t, key) }

// start answers calls first, from what is on this disk, and then looks for everything else.
func (n *node) start() error {
	n.journal.Clear(tenants.Platform, drainAlarm) // of a process that was killed
	n.answering.closeCrashed(n.log, n.journal, n.tapes)
	n.tickets.Start()
	n.tapes.Start()
	n.outbox.Start()
	known := n.compiler.Restore()
	n.activation.Restore() // over the copies: what was pressed while the database was away
	if n.settings.has(roleCall) {
		if err := n.answering.start(); err != nil {
			return err
		}
		n.log.Info("answering calls", "sip", n.settings.SIP, "tenants", known)
		if n.settings.Bench {
			if err := n.seatPhones(); err != nil {
				return err
			}
		}
	}
	n.activation.Start()
	n.herald.Start()
	if n.settings.has(roleWorker) {
		n.reminder = newReminder(n)
		n.reminder.Start()
	}
	n.interim.Start()
	if n.settings.has(roleWorker) {
		n.guard.Start()
	}
	n.stores.start(n.prepare)
	n.warden.start()
	if err := n.site.start(n.cert, n.failed); err != nil {
		return err
	}
	go n.announce()
	return nil
}

// prepare brings the database up to this build and loads what was asked for, where this process is a worker, and begins to
// compile routing copies. It is tried again until it succeeds. The journal may be shipped afterwards.
func (n *node) prepare(ctx context.Context) error {
	if n.settings.has(roleWorker) {
		if err := n.fill(ctx); err != nil {
			return err
		}
	}
	if err := n.compiler.Check(ctx); err != nil {
		return err
	}
	n.compiled.Store(true)
	n.compiler.Start()
	return nil
}

// fill makes the database's tables, and what a demonstration or a bench needs in them.
func (n *node) fill(ctx context.Context) error {
	if err := n.stores.migrate(ctx); err != nil {
		return err
	}
	if n.settings.Demo == "1" {
		loaded, err := demo.Load(ctx, n.stores.db, n.settings.demoTrunk)
		if err != nil {
			return fmt.Errorf("load demonstration data: %w", err)
		}
		n.log.Info("demonstration data", "loaded", loaded)
	}
	if err := demo.Bench(ctx, n.stores.db, n.settings.Bench); err != nil {
		return fmt.Errorf("bench users: %w", err)
	}
	return nil
}

// announce prints the ready line once /readyz is 200, and who may sign in to the demonstration.
func (n *node) announce() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !n.site.ready(ctx) {
		select {
		case <-n.site.closed:
			return
		case <-tick.C:
		}
	}
	note := ""
	if n.certNote != "" {
		note = " certificate=" + n.certNote
	}
	fmt.Printf("holdfast ready http=%s sip=%s data=%s%s\n", n.settings.PublicURL, n.settings.SIP, n.settings.Data, note)
	if n.settings.Demo != "1" {
		return
	}
	fmt.Println("demonstration sign-ins, password " + demo.Password + ":")
	for _, p := range demo.SignIns() {
		page := "/desk"
		if slices.Contains([]tenants.Role{tenants.RoleAdmin, tenants.RoleSupervisor, tenants.RolePlatform}, p.Role) {
			page = "/portal"
		}
		fmt.Printf("  %-26s %s%s  (%s)\n", p.Email, n.settings.PublicURL, page, p.Tenant)
	}
}

// untilSignal serves until a signal comes or a listener fails.
func (n *node) untilSignal(signals <-chan os.Signal) error {
	select {
	case <-signals:
		return nil
	case err := <-n.failed:
		return err
	}
}

// stop ends everything in the reverse order; what was written is on disk afterwards.
func (n *node) stop() {
	if n.site != nil {
		n.site.stop()
	}
	if n.staff != nil {
		n.staff.Stop()
	}
	if n.answering != nil {
		n.answering.stop()
	}
	if n.activation != nil {
		n.activation.Stop()
	}
	if n.tickets != nil {
		n.tickets.Stop()
	}
	if n.reminder != nil {
		n.reminder.Stop()
	}
	if n.herald != nil {
		n.herald.Stop()
	}
	if n.outbox != nil {
		n.outbox.Stop()
	}
	if n.interim != nil {
		n.interim.Stop()
	}
	if n.guard != nil {
		n.guard.Stop()
	}
	if n.warden != nil {
		n.warden.stop()
	}
	if n.compiler != nil {
		n.compiler.Stop()
	}
	if n.tapes != nil {
		n.tapes.Stop()
	}
	if n.stores != nil {
		n.stores.stop()
	}
	if err := n.journal.Stop(); err != nil {
		n.log.Error("the journal could not be kept whole", "err", err)
	}
}
