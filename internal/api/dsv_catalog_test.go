package api

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whatever DSV's catalogue has of what annal keeps is recorded under the path,
// method and status that the catalogue names.
func TestS2_11_OwnEventsAreThoseOfTheCatalogue(t *testing.T) {
	d := dsv()
	recorded := map[string]int{} // "path method" → status
	for _, r := range d.Routes {
		if d.Audits[r.Pattern] == "" || d.Audits[r.Pattern] == itself {
			continue
		}
		method, path, _ := strings.Cut(strings.ReplaceAll(r.Pattern, "...}", "}"), " ")
		path = strings.ReplaceAll(strings.Trim(strings.TrimPrefix(path, "/v1/"), "/"), "/", ":")
		recorded[path+" "+method] = r.Status
	}
	absent := []string{ // what annal does not keep, or does not do
		"clients:bootstrap:{clientId}", "clients:{clientId}:restore", "groups:{name}:restore", "roles:{name}:restore", "users:{name}:restore",
		"roles:{name}:version:{version}", "users:{name}:version:{version}", "users:{name}:password",
	}
	for _, row := range catalog(t) {
		kind, _, _ := strings.Cut(row[0], ":")
		if strings.HasPrefix(row[0], "config:policies") || strings.HasPrefix(row[0], "config:siem") {
			kind = "policies and SIEMs"
		}
		if !slices.Contains([]string{"users", "groups", "roles", "clients", "token", "policies and SIEMs"}, kind) || slices.Contains(absent, row[0]) {
			continue
		}
		path := strings.NewReplacer("{clientId}", "{id}", "users:{name}:group", "users:{name}:groups").Replace(row[0])
		status, ok := recorded[path+" "+row[1]]
		if !ok {
			t.Errorf("%s %s is not recorded", row[1], row[0])
			continue
		}
		legal := strings.Split(row[2], ",")
		if want := slices.Contains(legal, "0") || slices.Contains(legal, strconv.Itoa(status)); !want {
			t.Errorf("%s %s is recorded with the status %d, want %s", row[1], row[0], status, row[2])
		}
	}
}
