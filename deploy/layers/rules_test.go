package layers

// floors says on which floor each package lives; "..." is all that is below. A package imports only from lower floors.
// Tens are the floors F0 to F6; between them, who stands on whom within one.
var floors = map[string]int{
	"tenants": 0, "tenants/phone": 1, "tenants/people": 2, "tenants/people/sheet": 3, "tenants/roster": 3, "tenants/script": 3, "tenants/relay": 4,
	"tenants/routing": 5, "tenants/snapshot": 6,
	"media": 0, "media/codec": 1, "media/jitter": 2, "media/dtmf": 1, "media/sdp": 1, "media/wave": 2, "media/udp": 5,

	"services/call": 10, "services/duty": 10, "services/lease": 10, "tenants/store": 10,
	"media/rtp": 10, "media/pace": 10, "media/trunk": 12, "media/browser": 12, "media/bridge": 12, "media/prompt": 12, "media/record": 12,
	"media/mediatest": 13,

	"services/journal": 20, "services/acd": 23, "services/intake": 23, "services/ticket": 23, "services/oncall": 23, "services/interim": 23,
	"services/directory": 23, "services/notify": 22, "services/numbers": 23, "services/identity": 23, "services/accounts": 23, "services/telephone": 23, "services/spend": 23,

	"services/dispatch": 30, "services/voicemail": 30, "services/handback": 30,

	"services/switchboard": 40, "services/activation": 40,

	"web": 50, "web/api/metrics": 51, "web/live": 52, "web/api": 54, "web/api/isolation": 55, "services/drill": 54,

	"e2e/sound": 56, "e2e/carrier": 57, "e2e/operator": 57, "e2e/bench/load": 57, "e2e/harness": 58, "e2e/bench/page": 59, "e2e/bench/serve": 59, "e2e...": 60,

	"deploy/schema": 10, "deploy/servers": 10, "deploy/backup": 11, "deploy/schema/demo": 45, "deploy/servers/containers": 45, "deploy/servers/serverstest": 46, "deploy/layers": 46,

	"cmd...": 61,
}

// adapters keep something for a package: its SQL, its Redis. They stand beside it, one step up.
var adapters = map[string]string{
	"services/identity/identitysql":     "services/identity",
	"services/journal/journalsql":       "services/journal",
	"services/numbers/numbersql":        "services/numbers",
	"services/voicemail/voicemailsql":   "services/voicemail",
	"services/ticket/ticketsql":         "services/ticket",
	"services/notify/notifysql":         "services/notify",
	"services/notify/smtp":              "services/notify",
	"services/directory/directorysql":   "services/directory",
	"services/acd/acdredis":             "services/acd",
	"services/accounts/accountsql":      "services/accounts",
	"services/telephone/telephonesql":   "services/telephone",
	"services/activation/activationsql": "services/activation",
	"services/oncall/oncallsql":         "services/oncall",
	"services/interim/interimsql":       "services/interim",
}

// forbidden edges go down, and are wrong all the same. "..." ends a prefix; an edge is allowed where the importer is in but.
var forbidden = []struct {
	from, to string
	but      []string
	reason   string
}{
	{from: "media...", to: "services...", reason: "media carries sound and knows no queue: it must run, and be tested, with nothing above it"},
	{from: "tenants...", to: "media...", reason: "what a tenant is has nothing to do with sound"},
	{from: "services...", to: "media/rtp", reason: "services say what is to happen; sockets, and what arrives on them, stay at the edge"},
	{from: "services...", to: "media/trunk", reason: "a call is the same whichever way it came in"},
	{from: "services...", to: "media/browser", reason: "an operator's leg may be a telephone one day"},
	{from: "services...", to: "media/bridge", reason: "cmd hands the switchboard what joins two legs"},
	{from: "services...", to: "media/prompt", reason: "cmd hands the switchboard what plays"},
	{from: "services...", to: "media/record", reason: "cmd hands the switchboard what records"},
	{from: "services...", to: "tenants/store", but: []string{"services/identity/identitysql", "services/numbers/numbersql", "services/accounts/accountsql", "services/telephone/telephonesql", "services/directory/directorysql", "services/journal/journalsql", "services/notify/notifysql", "services/ticket/ticketsql", "services/voicemail/voicemailsql"}, reason: "callers are answered without the database: only adapters speak to it"},
	{from: "web...", to: "media...", reason: "pages ask the switchboard; only it commands media"},
	{from: "services...", to: "web...", reason: "commands come in by sockets and events go out, never the other way about"},
	{from: "services...", to: "deploy...", reason: "how it is run is not what it does"},
	{from: "media...", to: "deploy...", reason: "how it is run is not what it does"},
	{from: "tenants...", to: "deploy...", reason: "how it is run is not what it does"},
	{from: "web...", to: "deploy...", reason: "how it is run is not what it does"},
	{from: "deploy...", to: "e2e...", reason: "what runs it is not made of what tests it"},
}

// testOnly packages are imported by tests and by each other, never by what is shipped.
var testOnly = []string{"media/mediatest", "deploy/servers/containers", "deploy/servers/serverstest", "e2e/harness", "e2e/network"}

// libraries says who alone may import a module, so that its next major version, or its end, costs a day.
var libraries = []struct {
	library string
	users   []string
	reason  string
}{
	{"github.com/emiago/sipgo", []string{"media/trunk", "e2e/carrier", "e2e/bench/serve"}, "no type of the SIP library leaves the trunk"},
	{"github.com/emiago/diago", []string{"e2e/bench/serve"}, "its dialogs and its media are not fit to face the world; we only measure ourselves by them"},
	{"github.com/pion/webrtc", []string{"media/browser", "e2e/operator"}, "no type of the WebRTC library leaves the operator's leg"},
	{"github.com/pion/ice", []string{"media/browser", "e2e/operator"}, "no type of the WebRTC library leaves the operator's leg"},
	{"github.com/pion/dtls", []string{"media/browser", "e2e/bench/load"}, "no type of the WebRTC library leaves the operator's leg"},
	{"github.com/labstack/echo", []string{"web/api"}, "one package, two files, so that its next major version costs a day"},
	{"github.com/pressly/goose", []string{"deploy/schema"}, "one place changes the schema"},
	{"database/sql", []string{"deploy/schema"}, "pgx alone speaks to PostgreSQL; goose wants this one"},
	{"github.com/jackc/pgx", append([]string{"tenants/store", "deploy/schema", "deploy/backup", "deploy/schema/demo", "deploy/servers", "deploy/servers/serverstest", "deploy/servers/containers"},
		"services/identity/identitysql", "services/journal/journalsql", "services/numbers/numbersql", "services/voicemail/voicemailsql", "services/ticket/ticketsql", "services/notify/notifysql", "services/accounts/accountsql", "services/telephone/telephonesql", "services/directory/directorysql",
		"services/activation/activationsql", "services/oncall/oncallsql", "services/interim/interimsql"), "the store is the only door to PostgreSQL"},
	{"github.com/redis/go-redis", []string{"services/acd/acdredis", "deploy/servers", "deploy/servers/containers", "cmd/holdfast"}, "Redis is an index: one adapter knows its words"},
	{"github.com/wneessen/go-mail", []string{"services/notify/smtp"}, "a mail is words until it travels"},
	{"github.com/emersion", nil, "a mail server is for tests only"},
	{"github.com/testcontainers", []string{"deploy/servers/containers"}, "only tests run containers"},
	{"github.com/caarlos0/env", []string{"cmd/holdfast"}, "settings are read once, by cmd, and handed down"},
	{"github.com/alecthomas/kong", []string{"cmd/holdfast"}, "commands are cmd's"},
	{"github.com/prometheus/client_golang", []string{"web/api/metrics"}, "the names of metrics are in one place"},
	{"github.com/prometheus/procfs", []string{"e2e/bench", "e2e/harness"}, "what a process costs is measured from outside"},
	{"github.com/coder/websocket", []string{"web/live", "e2e/operator", "e2e/harness"}, "sockets are live's"},
	{"testing", []string{"deploy/servers/serverstest", "e2e/harness", "e2e/network", "media/mediatest"}, "what is shipped carries no test"},
}

// pure packages compute: nothing in them reaches out, so that what they say depends on what they are given.
var pure = map[string]bool{
	"tenants": true, "tenants/phone": true, "tenants/people": true, "tenants/people/sheet": true, "tenants/roster": true, "tenants/script": true, "tenants/relay": true,
	"tenants/routing": true, "tenants/snapshot": true,
	"media": true, "media/codec": true, "media/jitter": true, "media/dtmf": true, "media/sdp": true, "media/wave": true,
	"services/call": true, "services/duty": true,
}

// outside is what a pure package does not import.
var outside = map[string]string{
	"net": "sockets", "net/http": "sockets", "os": "files and the environment", "os/exec": "processes", "syscall": "the system",
	"math/rand": "chance", "math/rand/v2": "chance",
}

// echoFiles is how many hand-written files may import echo.
const echoFiles = 2
