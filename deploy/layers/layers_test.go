package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "holdfast/"

// pkg is one package: its path inside the module, what its shipped files import, and the files themselves.
type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string // without those of _test.go files
	GoFiles    []string
}

func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all = append(all, p)
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d packages were found", len(all))
	}
	return all
}

// within reports whether a path is a prefix or below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// floor is where a package lives; false when nobody has said so.
func floor(path string) (int, bool) {
	if parent, ok := adapters[path]; ok {
		at, known := floor(parent)
		return at + 1, known
	}
	if at, ok := floors[path]; ok {
		return at, true
	}
	for pattern, at := range floors {
		if strings.HasSuffix(pattern, "...") && matches(path, pattern) {
			return at, true
		}
	}
	return 0, false
}

func matches(path, pattern string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "..."); ok {
		return within(path, prefix)
	}
	return path == pattern
}

// broken lists what a package's imports break, one sentence each.
func broken(p pkg) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	from := p.path()
	at, known := floor(from)
	if !known {
		say("%s has no floor: say in rules_test.go where it lives", from)
	}
	for _, imported := range p.Imports {
		if why, ok := outside[imported]; ok && pure[from] {
			say("%s is pure and imports %s (%s)", from, imported, why)
		}
		for _, l := range libraries {
			if within(imported, l.library) && !slices.Contains(l.users, from) {
				say("%s imports %s: %s", from, imported, l.reason)
			}
		}
		to, ours := strings.CutPrefix(imported, module)
		if !ours {
			continue
		}
		if below, ok := floor(to); ok && known && below >= at {
			say("%s (floor %.1f) imports %s (floor %.1f): only lower floors", from, float64(at)/10, to, float64(below)/10)
		}
		if adapters[to] != "" && !within(from, "cmd") {
			say("%s imports the adapter %s: only cmd and tests do, and connect it", from, to)
		}
		if slices.Contains(testOnly, to) && !slices.Contains(testOnly, from) {
			say("%s imports %s, which is for tests only", from, to)
		}
		for _, f := range forbidden {
			if matches(from, f.from) && matches(to, f.to) && !slices.Contains(f.but, from) {
				say("%s imports %s: %s", from, to, f.reason)
			}
		}
	}
	return all
}

func TestPackagesImportOnlyLowerFloors(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, sentence := range broken(p) {
			t.Error(sentence)
		}
	}
}

func TestTheFloorsAreSeenToBreak(t *testing.T) {
	t.Parallel()
	for imports, want := range map[[2]string]string{
		{"services/call", "holdfast/services/acd"}:                    "only lower floors",
		{"services/acd", "holdfast/services/intake"}:                  "only lower floors",
		{"services/switchboard", "holdfast/media/trunk"}:              "whichever way it came in",
		{"media/bridge", "holdfast/services/call"}:                    "must run, and be tested",
		{"web/api", "holdfast/services/voicemail/voicemailsql"}:       "only cmd and tests",
		{"services/acd", "holdfast/tenants/store"}:                    "only adapters",
		{"services/numbers", "github.com/jackc/pgx/v5"}:               "only door",
		{"media/bridge", "github.com/emiago/sipgo/sip"}:               "no type of the SIP library",
		{"cmd/holdfast", "github.com/emiago/diago"}:                   "not fit",
		{"cmd/holdfast", "holdfast/media/mediatest"}:                  "for tests only",
		{"services/duty", "os"}:                                       "is pure",
		{"services/weather", "fmt"}:                                   "has no floor",
		{"services/journal", "holdfast/services/journal/journalsql"}:  "only cmd and tests",
		{"services/journal/journalsql", "holdfast/services/identity"}: "only lower floors",
	} {
		got := broken(pkg{ImportPath: module + imports[0], Imports: []string{imports[1]}})
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s may import %s: %q", imports[0], imports[1], got)
		}
	}
	if got := broken(pkg{ImportPath: module + "services/switchboard", Imports: []string{"holdfast/services/acd", "holdfast/media", "time"}}); len(got) > 0 {
		t.Errorf("what is allowed is refused: %q", got)
	}
}

func TestEveryPackageTellsItsStoryOnce(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		var told []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil && !ast.IsGenerated(file) {
				told = append(told, name)
			}
		}
		if len(told) != 1 {
			t.Errorf("%s: %d package comments, want one: %v", p.path(), len(told), told)
		}
	}
}

func TestEchoIsKnownToTwoFilesAtMost(t *testing.T) {
	t.Parallel()
	var users []string
	eachFile(t, func(p pkg, name string, file *ast.File) {
		for _, i := range file.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err == nil && within(path, "github.com/labstack/echo") && !ast.IsGenerated(file) {
				users = append(users, p.path()+"/"+name)
			}
		}
	})
	if len(users) > echoFiles {
		t.Errorf("echo is imported by %v: at most %d hand-written files", users, echoFiles)
	}
}

func TestPurePackagesAreToldTheTime(t *testing.T) {
	t.Parallel()
	eachFile(t, func(p pkg, name string, file *ast.File) {
		if !pure[p.path()] {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && (s.Sel.Name == "Now" || s.Sel.Name == "Sleep" || s.Sel.Name == "Since") {
					t.Errorf("%s/%s asks the clock (time.%s): time is an argument here", p.path(), name, s.Sel.Name)
				}
			}
			return true
		})
	})
}

func eachFile(t *testing.T, do func(p pkg, name string, file *ast.File)) {
	t.Helper()
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			do(p, name, file)
		}
	}
}
