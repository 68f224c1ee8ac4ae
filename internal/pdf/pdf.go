// Package pdf sets reports: a heading that says what was asked, and a table
// that may go on for many pages.
//
// The one idea: a page never lies. What the font cannot draw is spelled out,
// what does not fit a line goes on in the next, a row that does not fit a page
// goes on on the next under the same headings, each page says which of how many
// it is, and the last one how many rows there are, so that a missing one shows.
// The same report is the same bytes.
package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// MaxPages bounds a report, and with it what setting one takes: about 25 KB a
// page.
const MaxPages = 1000

// ErrTooLong says that a report would have more than [MaxPages].
var ErrTooLong = fmt.Errorf("the report would have more than %d pages", MaxPages)

// A Heading begins a report.
type Heading struct {
	Title string
	Facts []Fact
	Made  time.Time
}

// A Fact is one line of a heading.
type Fact struct{ Name, Value string }

// A Column heads one column of a table.
type Column struct {
	Name   string
	Share  float64          // of the page's width, in relation to the other columns
	Colors map[string]Color // that some texts of the column have; nil: none
}

// A Color is red, green and blue.
type Color [3]uint8

// A Report is being set, row by row. It is not safe for concurrent use.
type Report struct {
	out     *fpdf.Fpdf
	drawn   *runeSet
	heading Heading
	columns []Column
	widths  []float64 // of columns
	lefts   []float64 // where the columns begin

	y       float64 // where the next line comes
	rows    int
	running map[rune]float64 // widths of characters in the regular font at size 1
}

// New begins a report. It has no fewer than one column. Its error is
// [ErrTooLong], when the heading alone is, or the library's.
func New(h Heading, columns []Column) (*Report, error) {
	if len(columns) == 0 {
		return nil, errors.New("pdf: a report needs columns")
	}
	drawn, err := drawable(regularFont)
	if err != nil {
		return nil, fmt.Errorf("pdf: %w", err)
	}
	r := &Report{out: fpdf.New("L", "mm", "A4", ""), drawn: drawn, heading: h, columns: columns, running: map[rune]float64{}}
	r.out.SetCatalogSort(true)
	r.out.SetCreationDate(h.Made.UTC())
	r.out.SetModificationDate(h.Made.UTC())
	r.out.SetProducer("annal", true)
	r.out.SetTitle(shown(h.Title, drawn.has), true) // the library panics at text that is no UTF-8
	r.out.SetLang("en")
	r.out.SetAutoPageBreak(false, 0)
	r.out.AddUTF8FontFromBytes(family, "", []byte(regularFont))
	r.out.AddUTF8FontFromBytes(family, "B", []byte(boldFont))
	r.divide()
	return r, r.first()
}

// divide gives each column its share of the page.
func (r *Report) divide() {
	shares := 0.0
	for _, c := range r.columns {
		shares += c.Share
	}
	left := margin
	for _, c := range r.columns {
		w := (pageWidth - 2*margin) * c.Share / shares
		r.lefts, r.widths = append(r.lefts, left), append(r.widths, w)
		left += w
	}
}

// Add sets one row, which has a text for each column. Its error is
// [ErrTooLong], or the library's.
func (r *Report) Add(cells ...string) error {
	row := make([][]string, len(r.columns))
	most := 1
	for i := range row {
		row[i] = r.lines(cells[i], bodySize, r.widths[i]-2*padding)
		most = max(most, len(row[i]))
	}
	r.rows++
	if most > r.room() && most <= roomOfPage {
		if err := r.turn(); err != nil {
			return err
		}
	}
	for from := 0; from < most; {
		n := min(r.room(), most-from)
		if n == 0 {
			if err := r.turn(); err != nil {
				return err
			}
			continue
		}
		r.draw(cells, row, from, n)
		from += n
	}
	return r.out.Error()
}

// Bytes ends the report and returns it.
func (r *Report) Bytes() ([]byte, error) {
	if r.room() < 2 {
		if err := r.turn(); err != nil {
			return nil, err
		}
	}
	r.end()
	for page, pages := 1, r.out.PageCount(); page <= pages; page++ {
		r.out.SetPage(page)
		r.foot(page, pages)
	}
	var b bytes.Buffer
	if err := r.out.Output(&b); err != nil {
		return nil, fmt.Errorf("pdf: %w", err)
	}
	return b.Bytes(), nil
}

// entries says how many rows there are.
func (r *Report) entries() string {
	if r.rows == 1 {
		return "1 entry"
	}
	return grouped(r.rows) + " entries"
}

// grouped writes n with a comma before every three digits.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}
