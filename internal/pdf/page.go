package pdf

import "time"

// The page: A4 on its side, in millimetres; sizes of letters are in points.
const (
	pageWidth  = 297.0
	pageHeight = 210.0
	margin     = 12.0
	bottom     = 196.0 // rows end above

	family    = "dejavu"
	titleSize = 17.0
	factSize  = 8.5
	bodySize  = 7.5
	footSize  = 7.0

	lineHeight = 3.5 // of the table
	baseline   = 2.6 // of a line, from its top
	factHeight = 4.6
	headHeight = 6.5
	padding    = 1.6 // beside a cell's text
	above      = 1.2 // above and below a row's text
	factLeft   = margin + 24

	// roomOfPage is how many lines a row may have to fit a page of its own.
	roomOfPage = 50
	// mmOfPoint turns points to millimetres.
	mmOfPoint = 25.4 / 72
)

var (
	ink    = Color{28, 32, 38}
	faint  = Color{104, 112, 122}
	rule   = Color{222, 226, 231}
	accent = Color{36, 62, 99}
	white  = Color{255, 255, 255}
)

// first opens the first page: the title and the facts.
func (r *Report) first() error {
	r.out.AddPage()
	r.y = margin + 6
	r.text(margin, r.y, "B", titleSize, accent, shown(r.heading.Title, r.drawn.has))
	r.y += 3.5
	r.line(margin, r.y, pageWidth-margin, accent, 0.5)
	r.y += 5.5
	for _, f := range r.heading.Facts {
		r.text(margin, r.y, "", factSize, faint, shown(f.Name, r.drawn.has))
		for _, line := range r.lines(f.Value, factSize, pageWidth-margin-factLeft) {
			if r.y > bottom {
				if r.out.PageCount() >= MaxPages {
					return ErrTooLong
				}
				r.out.AddPage()
				r.y = margin + factHeight
			}
			r.text(factLeft, r.y, "", factSize, ink, line)
			r.y += factHeight
		}
	}
	if r.y+headHeight+lineHeight+2*above > bottom {
		return r.turn()
	}
	r.heads()
	return r.out.Error()
}

// turn begins the next page.
func (r *Report) turn() error {
	if r.out.PageCount() >= MaxPages {
		return ErrTooLong
	}
	r.out.AddPage()
	r.y = margin
	r.heads()
	return r.out.Error()
}

// heads draws the columns' names.
func (r *Report) heads() {
	r.out.SetFillColor(int(accent[0]), int(accent[1]), int(accent[2]))
	r.out.Rect(margin, r.y, pageWidth-2*margin, headHeight, "F")
	for i, c := range r.columns {
		r.text(r.lefts[i]+padding, r.y+4.3, "B", bodySize, white, shown(c.Name, r.drawn.has))
	}
	r.y += headHeight
}

// room is how many lines of a row fit what is left of the page.
func (r *Report) room() int { return max(0, int((bottom-r.y-2*above)/lineHeight)) }

// draw draws n lines of a row from line from on.
func (r *Report) draw(cells []string, row [][]string, from, n int) {
	height := float64(n)*lineHeight + 2*above
	if from >= len(row[0]) && from > 0 { // the row began on an earlier page: its first text says which it is
		r.text(r.lefts[0]+padding, r.y+above+baseline, "", bodySize, faint, row[0][0]+" …")
	}
	for i, lines := range row {
		color, ok := r.columns[i].Colors[cells[i]]
		if !ok {
			color = ink
		}
		for j := from; j < min(from+n, len(lines)); j++ {
			r.text(r.lefts[i]+padding, r.y+above+baseline+float64(j-from)*lineHeight, "", bodySize, color, lines[j])
		}
	}
	r.y += height
	r.line(margin, r.y, pageWidth-margin, rule, 0.2)
}

// end says that nothing comes behind, and how the texts are to be read.
func (r *Report) end() {
	r.text(margin+padding, r.y+5.5, "", footSize, faint, "End of the report: "+r.entries()+
		`. Characters that cannot be drawn are shown by their Unicode numbers, as \u0007 or \U0001F511.`)
}

// foot draws what stands below every page.
func (r *Report) foot(page, pages int) {
	y := pageHeight - 7
	r.line(margin, y-4.2, pageWidth-margin, rule, 0.2)
	r.text(margin, y, "", footSize, faint, shown(r.heading.Title, r.drawn.has)+"  ·  "+r.heading.Made.UTC().Format(time.RFC3339)+"  ·  "+r.entries())
	number := "Page " + grouped(page) + " of " + grouped(pages)
	r.text(pageWidth-margin-r.width(number, footSize), y, "", footSize, faint, number)
}

// lines breaks text into lines as they are drawn.
func (r *Report) lines(text string, size, width float64) []string {
	lines := wrap(shown(text, r.drawn.has), width, func(c rune) float64 { return r.widthOf(c) * size })
	for i := range lines {
		lines[i] = visual(lines[i])
	}
	return lines
}

func (r *Report) width(text string, size float64) (w float64) {
	for _, c := range text {
		w += r.widthOf(c) * size
	}
	return w
}

// widthOf returns how wide c is in the regular font, in millimetres at one
// point.
func (r *Report) widthOf(c rune) float64 {
	w, ok := r.running[c]
	if !ok {
		r.out.SetFont(family, "", bodySize)
		w = float64(r.out.GetStringSymbolWidth(string(c))) / 1000 * mmOfPoint
		r.running[c] = w
	}
	return w
}

func (r *Report) text(x, y float64, style string, size float64, c Color, text string) {
	if text == "" {
		return
	}
	r.out.SetFont(family, style, size)
	r.out.SetTextColor(int(c[0]), int(c[1]), int(c[2]))
	r.out.Text(x, y, text)
}

func (r *Report) line(x, y, to float64, c Color, width float64) {
	r.out.SetDrawColor(int(c[0]), int(c[1]), int(c[2]))
	r.out.SetLineWidth(width)
	r.out.Line(x, y, to, y)
}
