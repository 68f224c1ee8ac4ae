package api

import (
	"cmp"
	"errors"
	"strings"

	"annal"
)

// certifyDownload are the parameters of a download: the filters of the list,
// and the format.
func certifyDownload() Params {
	p := certifyFilters()
	p.Names["format"] = filled(single(func(a *Ask, v string) error {
		if v != "json" && v != "csv" && v != "pdf" {
			return errors.New("must be json, csv or pdf")
		}
		a.format = v
		return nil
	}))
	return p
}

// certifyExport sends all entries that the question selects as a file.
func certifyExport(p Params) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		if a.format == "pdf" {
			return certifyReport(c, &a)
		}
		enc := certifyJSON()
		if a.format == "csv" {
			enc = certifyTable()
		}
		c.w.Header().Set("Content-Disposition", `attachment; filename="`+certifyFile(&a)+`"`)
		return c.pour(a.Query, enc)
	}
}

// certifyFile names a download by its days.
func certifyFile(a *Ask) string {
	name := "audit"
	if !a.Since.IsZero() {
		name += "-from-" + a.Since.Format("2006-01-02")
	}
	if !a.Until.IsZero() {
		name += "-to-" + a.Until.Add(-1).Format("2006-01-02")
	}
	return name + "." + cmp.Or(a.format, "json")
}

// certifyJSON is one object with every entry and how many there are.
func certifyJSON() encoding {
	total := uint64(0)
	return encoding{
		mediaType: "application/json",
		begin:     func(b []byte) []byte { return append(b, `{"entries":[`...) },
		add: func(b []byte, e *annal.Event) []byte {
			w := &writer{b}
			if total++; total > 1 {
				w.b = append(w.b, ',')
			}
			appendCertifyEntry(w, e)
			return w.b
		},
		end: func(b []byte) []byte {
			w := &writer{append(b, ']')}
			w.uintMember("total", total)
			w.close('}')
			return w.b
		},
	}
}

// certifyColumns heads the table: one column for each field of an entry.
const certifyColumns = "id,timestamp,event_type,actor_type,actor_id,actor_name,resource_type,resource_id,description,details,severity,ip_address,user_agent"

// certifyTable is CSV (RFC 4180) of entries.
func certifyTable() encoding {
	return encoding{
		mediaType: "text/csv; charset=utf-8; header=present",
		begin:     func(b []byte) []byte { return append(append(b, certifyColumns...), '\r', '\n') },
		add:       appendCertifyRow,
		end:       func(b []byte) []byte { return b },
	}
}

func appendCertifyRow(b []byte, e *annal.Event) []byte {
	actor, resource := certifyNames(e)
	b = append(append(b, certifyID(e)...), ',')
	b = annal.AppendTime(b, e.Time, certifyDigits)
	for _, v := range [...]string{
		e.Action, actor.Type, actor.ID, actor.Name, resource.Type, resource.ID, e.Message,
		cmp.Or(e.Extra, "{}"), e.Severity.String(), e.Source.IP, e.Source.UserAgent,
	} {
		b = appendCell(append(b, ','), strings.ToValidUTF8(v, "\uFFFD"))
	}
	return append(b, '\r', '\n')
}
