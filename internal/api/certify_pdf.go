package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"annal"
	"annal/internal/pdf"
)

// Limits of a report, which unlike other downloads is held in memory until it
// is finished.
const (
	maxReport        = 10_000 // entries
	maxReports       = 2      // reports that are made at the same time; further ones wait
	maxReportTenants = 10     // tenants that are named
	retryReports     = 15     // seconds
)

// certifyReport answers with what the question selects as a PDF.
func certifyReport(c *Call, a *Ask) error {
	select {
	case c.s.reports <- struct{}{}:
		defer func() { <-c.s.reports }()
	case <-c.ctx.Done():
		return &fault{status: http.StatusTooManyRequests, code: "rate_limited", message: "the server is making as many PDFs as it may at the same time; ask again later", retry: retryReports}
	}
	sum, err := c.Summarize(c.ctx, a.Query, annal.Aggregation{})
	if err != nil {
		return err
	}
	if sum.Total > maxReport {
		return reportTooLong(fmt.Sprintf("a PDF has at most %d entries and the filters select %d", maxReport, sum.Total))
	}
	report, err := c.certifyPages(a)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+certifyFile(a)+`"`)
	c.mediaType, c.out.b = "application/pdf", report
	return nil
}

func reportTooLong(why string) error {
	return &fault{
		status: http.StatusBadRequest, code: "export_too_large",
		message: why + "; narrow start_date, end_date or the other filters, or ask for format=csv or format=json, which have no limit",
	}
}

// certifyPages sets the entries that a selects.
func (c *Call) certifyPages(a *Ask) ([]byte, error) {
	pages, err := c.setEntries(a)
	if errors.Is(err, pdf.ErrTooLong) {
		return nil, reportTooLong(fmt.Sprintf("a PDF has at most %d pages and the entries that the filters select need more", pdf.MaxPages))
	}
	return pages, err
}

func (c *Call) setEntries(a *Ask) ([]byte, error) {
	report, err := pdf.New(c.certifyHeading(a), reportColumns())
	if err != nil {
		return nil, err
	}
	set := 0
	err = c.Scan(c.ctx, a.Query, func(e *annal.Event) error {
		if set++; set > maxReport { // some came since they were counted
			return reportTooLong(fmt.Sprintf("a PDF has at most %d entries and the filters select more", maxReport))
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		return report.Add(reportRow(e)...)
	})
	if err != nil {
		return nil, err
	}
	return report.Bytes()
}

func reportColumns() []pdf.Column {
	severities := map[string]pdf.Color{annal.Severe.String(): {176, 0, 32}, annal.Warning.String(): {150, 90, 0}}
	return []pdf.Column{
		{Name: "Timestamp", Share: 32}, {Name: "Event type", Share: 40}, {Name: "Actor", Share: 45}, {Name: "Resource", Share: 63},
		{Name: "Description", Share: 76}, {Name: "Severity", Share: 17, Colors: severities},
	}
}

// reportRow is one entry. Types and ids stand in a second line.
func reportRow(e *annal.Event) []string {
	actor, resource := certifyNames(e)
	return []string{
		annal.FormatTime(e.Time, certifyDigits), e.Action, stacked(actor.Name, actor.Type, actor.ID),
		stacked(resource.ID, resource.Type, ""), e.Message, e.Severity.String(),
	}
}

// stacked puts a type and an id that says more than the name under the name.
func stacked(name, kind, id string) string {
	if id == name {
		id = ""
	}
	under := strings.TrimSpace(kind + " " + id)
	if name == "" || under == "" || under == name {
		return name + strings.TrimPrefix(under, name)
	}
	return name + "\n" + under
}

// certifyHeading says what was asked, by whom and when.
func (c *Call) certifyHeading(a *Ask) pdf.Heading {
	made := c.s.Now().UTC()
	facts := []pdf.Fact{
		{Name: "Made", Value: annal.FormatTime(made, 0) + " for " + c.Caller.Subject},
		{Name: "Tenants", Value: c.reportTenants()},
		{Name: "Times", Value: reportTimes(a.Since, a.Until)},
		{Name: "Filters", Value: reportFilters(a)},
		{Name: "Order", Value: "newest first; all times are UTC"},
	}
	if len(c.missing) > 0 {
		facts = append(facts, pdf.Fact{Name: "Incomplete", Value: "a part of the log is lost: " + c.missing.String()})
	}
	return pdf.Heading{Title: "Audit report", Made: made, Facts: facts}
}

// reportTenants names the tenants whose entries may be in the report.
func (c *Call) reportTenants() string {
	switch {
	case c.visible == nil:
		return "all"
	case len(c.visible) == 0:
		return "none"
	}
	var names []string
	for _, id := range c.visible[:min(len(c.visible), maxReportTenants)] {
		if name := c.s.TenantName(id); name != "" && name != id {
			id = name + " (" + id + ")"
		}
		names = append(names, id)
	}
	if more := len(c.visible) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// reportTimes says which times since ≤ t < until are. An end that lies just
// behind an instant includes that instant.
func reportTimes(since, until time.Time) string {
	from, to := "from the first entry", "to the last"
	if !since.IsZero() {
		from = "from " + exactTime(since)
	}
	switch last := until.Add(-1); {
	case until.IsZero():
	case until.Nanosecond() == 0:
		to = "until before " + exactTime(until)
	default:
		to = "to " + exactTime(last) + " inclusive"
	}
	return from + " " + to
}

func exactTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// reportFilters repeats the filters as they were given, but for the bounds.
func reportFilters(a *Ask) string {
	var given []string
	known := certifyFilters().Names
	for _, name := range slices.Sorted(maps.Keys(a.given)) {
		values := slices.DeleteFunc(slices.Clone(a.given[name]), func(v string) bool { return v == "" })
		if known[name] == nil || len(values) == 0 || strings.HasSuffix(name, "_date") {
			continue
		}
		given = append(given, name+" = "+strings.Join(values, ","))
	}
	if given == nil {
		return "none"
	}
	return strings.Join(given, "; ")
}
