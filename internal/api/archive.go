package api

import (
	"archive/zip"
	"context"
	"mime"

	"annal"
)

// archive answers with every event that the question selects, in one file of a
// zip, without holding more than a chunk of it.
func archive(p Params, name string, spell func(*server) encoding) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		if !c.answer(streamRoom) {
			return annal.ErrBusy
		}
		ctx, cancel := context.WithTimeout(c.Context(), c.s.StreamTimeout)
		defer cancel()
		enc := spell(c.s)
		c.mediaType = enc.mediaType
		c.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + ".zip"}))
		if err := c.zip(ctx, a.Query, name+".json", &enc); err != nil {
			return err
		}
		return c.finish()
	}
}

// zip writes what q selects as the file of a zip.
func (c *Call) zip(ctx context.Context, q annal.Query, name string, enc *encoding) error {
	z := zip.NewWriter(chunks{c})
	file, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: c.s.Now().UTC()})
	if err != nil {
		return err
	}
	text := enc.begin(nil)
	err = c.Scan(ctx, q, func(e *annal.Event) error {
		text = enc.add(text, e)
		if len(text) < streamChunk {
			return nil
		}
		if _, err := file.Write(text); err != nil {
			return err
		}
		text = text[:0]
		return c.pass()
	})
	if err != nil {
		return err
	}
	if _, err := file.Write(enc.end(text)); err != nil {
		return err
	}
	return z.Close()
}

// chunks gathers what is written.
type chunks struct{ c *Call }

func (w chunks) Write(b []byte) (int, error) {
	w.c.out.b = append(w.c.out.b, b...)
	return len(b), nil
}
