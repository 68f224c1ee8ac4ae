package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tiers is the dependency rule: a package imports only packages of lower tiers.
var tiers = map[string]int{
	"":                    0,
	"docs":                1,
	"internal/merkle":     1,
	"internal/vfs":        1,
	"internal/fold":       1,
	"internal/nearest":    1,
	"internal/strictjson": 1,
	"internal/identity":   1,
	"internal/pdf":        1,
	"internal/book":       1,
	"internal/corpus":     1,
	"internal/wal":        2,
	"internal/segment":    2,
	"client":              2,
	"scripts/pack":        2,
	"internal/store":      3,
	"internal/tlog":       3,
	"internal/ingest":     3,
	"internal/forward":    3,
	"internal/export":     3,
	"internal/retain":     3,
	"internal/alert":      3,
	"internal/secret":     3,
	"internal/auth":       3,
	"internal/access":     3,
	"internal/api":        3,
	"internal/ui":         3,
	"internal/annaltest":  3,
	"internal/server":     4,
	"internal/bench":      4,
	"cmd/annal":           5,
	"internal/arch":       5,
}

func TestPackagesImportLowerTiersOnly(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue // tests join what the packages themselves keep apart
		}
		tier, ok := tiers[strings.TrimPrefix(s.dir(), ".")]
		if !ok {
			t.Errorf("%s: package %s is in no tier; give it one in the table", s.name, s.dir())
			continue
		}
		for _, spec := range s.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if imported != module && !strings.HasPrefix(imported, module+"/") {
				continue
			}
			imported = strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
			if lower, ok := tiers[imported]; !ok || lower >= tier {
				t.Errorf("%s: %s (tier %d) imports %s (tier %d); only lower tiers may be imported", s.name, s.dir(), tier, imported, lower)
			}
		}
	}
}

// ARCHITECTURE.md is a map only if every package is on it, at its tier.
func TestMapNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources(t) {
		dir := strings.TrimPrefix(s.dir(), ".")
		if want := fmt.Sprintf("\n**%d · %s.**", tiers[dir], cmp.Or(dir, module)); !s.isTest() && !strings.Contains(string(text), want) {
			t.Errorf("%s: ARCHITECTURE.md has no paragraph that begins with %q", s.name, want[1:])
		}
	}
}

// The vocabulary must stay usable by every program, so it needs Go alone.
func TestVocabularyImportsTheStandardLibraryOnly(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.dir() != "." {
			continue
		}
		for _, spec := range s.ast.Imports {
			if strings.Contains(spec.Path.Value, ".") {
				t.Errorf("%s imports %s", s.name, spec.Path.Value)
			}
		}
	}
}

// Longest function and file, in lines.
const (
	maxFunction = 70
	maxFile     = 600
)

func TestFunctionsFitAScreen(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.isTest() {
				continue
			}
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFunction {
				t.Errorf("%s:%d: %s has %d lines, want at most %d", s.name, s.line(f.Pos()), f.Name.Name, n, maxFunction)
			}
		}
	}
}

func TestFilesStayOneRoom(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxFile {
			t.Errorf("%s has %d lines, want at most %d", s.name, s.lines, maxFile)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s:%d: func init: let whoever needs it call it", s.name, s.line(f.Pos()))
			}
		}
	}
}

// marks are what unfinished work leaves behind. (Spelled so as not to match
// themselves.)
var marks = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|t\.Sk` + `ip(Now|f)?\(|(^|[^A-Za-z0-9._-])/(wo` + `rk|fa` + `rm)/`)

func TestNoMarksOfUnfinishedWork(t *testing.T) {
	walk(t, func(name string, content []byte) {
		for i, line := range strings.Split(string(content), "\n") {
			if m := marks.FindString(line); m != "" {
				t.Errorf("%s:%d: %q does not belong here", name, i+1, m)
			}
		}
	})
}

// packageVars maps each package's folder to its variables.
func packageVars(all []*source) map[string]map[string]bool {
	vars := map[string]map[string]bool{}
	for _, s := range all {
		if s.isTest() {
			continue
		}
		for _, d := range s.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if vars[s.dir()] == nil {
						vars[s.dir()] = map[string]bool{}
					}
					vars[s.dir()][name.Name] = name.Name != "_"
				}
			}
		}
	}
	return vars
}

// Variables of a package are tables and errors: nothing assigns to them, and
// nothing in them can change.
func TestNoMutableGlobals(t *testing.T) {
	all := sources(t)
	vars := packageVars(all)
	for _, s := range all {
		if s.isTest() {
			continue
		}
		for _, d := range s.ast.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					checkImmutable(t, s, spec.(*ast.ValueSpec))
				}
			}
		}
		checkAssignments(t, s, vars[s.dir()])
	}
}

// checkImmutable reports variables of types that exist to change.
func checkImmutable(t *testing.T, s *source, spec *ast.ValueSpec) {
	ast.Inspect(spec, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name == "sync" || pkg.Name == "atomic") && sel.Sel.Name != "OnceValue" {
			t.Errorf("%s:%d: a global %s.%s: give it an owner", s.name, s.line(sel.Pos()), pkg.Name, sel.Sel.Name)
		}
		return true
	})
}

// checkAssignments reports where a function changes one of the package's
// variables. The parser resolves the names that a file declares itself, so a
// local variable of the same name is told apart.
func checkAssignments(t *testing.T, s *source, vars map[string]bool) {
	report := func(target ast.Expr) {
		id := rootOf(target)
		if id == nil || !vars[id.Name] || id.Obj != nil && id.Obj != s.ast.Scope.Lookup(id.Name) {
			return
		}
		t.Errorf("%s:%d: assigns to the global %s: give it an owner", s.name, s.line(id.Pos()), id.Name)
	}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, target := range n.Lhs {
					report(target)
				}
			}
		case *ast.IncDecStmt:
			report(n.X)
		}
		return true
	})
}

func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
