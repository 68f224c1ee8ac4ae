package api

import (
	"encoding/json"
	commandline "flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"annal"
	"annal/internal/annaltest"
)

var update = commandline.Bool("update", false, "write what is found out into docs/mapping.md")

// A spelling is a dialect in which an entry is read and written.
type spelling struct {
	name   string
	list   string   // path of the list; entries are posted to it
	member string   // of the list's answer that holds the entries
	single bool     // an entry by itself says more than in the list
	limit  string   // query that makes the list long
	anew   []string // members that the log gives each event
}

func spellings() []spelling {
	return []spelling{
		{name: "native", list: "/v1/events", member: "events", limit: "?limit=1000", anew: []string{"id", "seq", "position", "received"}},
		{name: "scaivault", list: "/v1/audit/logs", member: "logs", limit: "?limit=1000", anew: []string{"id"}},
		{name: "dsv", list: "/v1/audit", member: "data", limit: "?limit=1000", anew: []string{"id"}},
		{name: "certifyclouds", list: "/audit/entries", member: "entries", limit: "?limit=1000", anew: []string{"id"}},
		{name: "scaikey", list: "/api/v1/admin/audit/", member: "items", limit: "?per_page=200", single: true, anew: []string{"id", "seq"}},
	}
}

// show returns a tenant's events as s spells them, without what the log
// assigns, in the order of the log.
func (w *world) show(s *spelling, tenant string) []map[string]any {
	w.t.Helper()
	own := w.of(tenant)
	var entries []map[string]any
	events := slices.DeleteFunc(w.log.Events(), func(e annal.Event) bool { return e.Tenant != tenant })
	for _, e := range events {
		var entry map[string]any
		if s.single {
			if err := json.Unmarshal(w.get(own, s.list+e.ID.String()).ok().Body.Bytes(), &entry); err != nil {
				w.t.Fatal(err)
			}
		}
		entries = append(entries, entry)
	}
	if !s.single {
		listed := w.get(own, s.list+s.limit).ok().at(s.member).([]any)
		byID := map[annal.ID]map[string]any{}
		for _, it := range listed {
			entry := it.(map[string]any)
			id, ok := annal.ParseID(fmt.Sprint(entry["id"]))
			if !ok {
				w.t.Fatalf("%s shows the id %v", s.name, entry["id"])
			}
			byID[id] = entry
		}
		for i, e := range events {
			entries[i] = byID[e.ID]
		}
	}
	for _, entry := range entries {
		for _, name := range s.anew {
			delete(entry, name)
		}
	}
	return entries
}

// post writes entries as s spells them, in order.
func (w *world) post(s *spelling, tenant string, entries []map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(entries)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ask(w.of(tenant), "POST", s.list, string(body)).ok()
}

// flatten names the members of an entry, those of nested objects by their path;
// what further members hold is one value.
func flatten(prefix string, v map[string]any, into map[string]any) map[string]any {
	for name, value := range v {
		inner, nested := value.(map[string]any)
		if free := name == "extra" || name == "extra_data" || name == "details"; nested && !free {
			flatten(prefix+name+".", inner, into)
			continue
		}
		if value != nil {
			into[prefix+name] = value
		}
	}
	return into
}

// A drawn chooses among values; tests draw with rapid or from a fixed seed.
type drawn func(n int) int

func oneOf[T any](d drawn, values ...T) T { return values[d(len(values))] }

// drawAny makes an event in annal's own form, of everything that an event has.
func drawAny(d drawn, tenant string, i int) map[string]any {
	text := func(values ...string) string { return oneOf(d, values...) }
	put := func(m map[string]any, name, v string) {
		if v != "" {
			m[name] = v
		}
	}
	actor := map[string]any{"id": text("alice", "user:alice@acme.example", "users:bob", "sa:reporting", "clients:c-1", "system", "a/b:c")}
	put(actor, "type", text("", "user", "service_account", "group", "client", "system", "robot"))
	put(actor, "name", text("", "Alice", "alice", "system"))
	put(actor, "email", text("", "alice@acme.example"))
	if d(3) == 0 {
		actor["on_behalf_of"] = map[string]any{"id": "user:carol", "type": "user"}
	}
	resource, request, source := map[string]any{}, map[string]any{}, map[string]any{}
	put(resource, "type", text("", "secret", "scan"))
	put(resource, "id", text("", "scan-789", "vault/x"))
	put(resource, "path", text("", "env/prod/db", "config:siem:main", "users:bob", "token", "a//b"))
	put(resource, "name", text("", "db"))
	put(request, "id", text("", "req_1"))
	put(request, "method", text("", "GET", "POST", "DELETE", "get", "PROPFIND"))
	request["status"] = oneOf(d, 0, 200, 201, 204, 401, 403, 404, 500)
	request["duration_ms"] = oneOf(d, 0, 12, 12.5)
	put(source, "ip", text("", "10.0.0.1", "2001:db8::1"))
	put(source, "user_agent", text("", "curl/8 \"q\""))
	e := map[string]any{
		"time": fmt.Sprintf("2026-04-23T12:00:%02d.%09dZ", i%60, d(1_000_000_000)), "tenant": tenant,
		"actor": actor, "resource": resource, "request": request, "source": source,
		"action":  text("read", "write", "GET", "auth.login.failed", "auth.login.success", "rotation.failed", "user.created", "weird action"),
		"outcome": text("success", "success", "failure", "denied", "error"), "severity": text("info", "warning", "error"),
		"extra": oneOf(d, map[string]any{}, map[string]any{"a": map[string]any{"b": []any{1, "x", nil}}}, map[string]any{"principalItemId": "p-1"}),
	}
	put(e, "event_id", text("", fmt.Sprint("own-", i)))
	put(e, "session", text("", "ses_1"))
	put(e, "error_code", text("", "E1", "access_denied"))
	put(e, "message", text("", "it happened\nso ÿ"))
	return e
}

// An entry as a dialect shows it, written to that dialect's list route, reads
// back in it as the same entry.
func TestEntriesReadBackIdentically(t *testing.T) {
	forms := spellings()
	for i := range forms {
		s := &forms[i]
		t.Run(s.name, func(t *testing.T) {
			from, to, round := newWorld(t), newWorld(t), 0
			annaltest.Check(t, func(rt *rapid.T) {
				round++
				tenant := fmt.Sprint("acme-", round)
				var events []map[string]any
				for i := range rapid.IntRange(1, 6).Draw(rt, "events") {
					events = append(events, drawAny(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }, tenant, i))
				}
				from.post(&forms[0], tenant, events)
				shown := from.show(s, tenant)
				to.post(s, tenant, shown)
				for i, again := range to.show(s, tenant) {
					if !reflect.DeepEqual(again, shown[i]) {
						rt.Errorf("written as %v\nread back as %v", shown[i], again)
					}
				}
			})
		})
	}
}

// changed returns the members that differ between two ways of showing the same
// events.
func changed(before, after []map[string]any) []string {
	names := map[string]bool{}
	for i := range before {
		a, b := flatten("", before[i], map[string]any{}), flatten("", after[i], map[string]any{})
		for name := range a {
			if !reflect.DeepEqual(a[name], b[name]) {
				names[name] = true
			}
		}
		for name := range b {
			if _, ok := a[name]; !ok {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// The table of docs/mapping.md says, for every pair of dialects, which members
// may change when an entry is read in one and written back in it, as the other
// shows the event before and after. Over many events each of them does change,
// and no other.
func TestWhatSurvivesEveryPairOfDialects(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var events []map[string]any
	for i := range 190 {
		events = append(events, drawAny(r.IntN, "acme", i))
	}
	forms := spellings()
	from := newWorld(t)
	from.post(&forms[0], "acme", events)
	var table strings.Builder
	table.WriteString("| through | as shown in | members that may change |\n|---|---|---|\n")
	for i := range forms {
		to := newWorld(t)
		to.post(&forms[i], "acme", from.show(&forms[i], "acme"))
		for j := range forms {
			diff := changed(from.show(&forms[j], "acme"), to.show(&forms[j], "acme"))
			list := "none"
			if len(diff) > 0 {
				list = "`" + strings.Join(diff, "`, `") + "`"
			}
			fmt.Fprintf(&table, "| %s | %s | %s |\n", forms[i].name, forms[j].name, list)
		}
	}
	const file, begin, end = "../../docs/mapping.md", "<!-- survives: begin -->\n", "<!-- survives: end -->"
	text := string(readFile(t, file))
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text != want && !*update {
		t.Errorf("%s does not have this table (run with -update):\n%s", file, table.String())
	}
}

// docs/mapping.md has every field and every event that annal writes itself.
func TestMappingIsComplete(t *testing.T) {
	text := string(readFile(t, "../../docs/mapping.md"))
	for _, f := range annal.Fields {
		if !strings.Contains(text, "`"+f.Name+"`") {
			t.Errorf("the field %s is not there", f.Name)
		}
	}
	for _, d := range dialects() {
		for _, action := range d.Audits {
			if action != itself && !strings.Contains(text, "`"+action+"`") {
				t.Errorf("annal's own event %s is not there", action)
			}
		}
	}
}
