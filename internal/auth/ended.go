package auth

import (
	"encoding/json"
	"time"

	"annal/internal/book"
)

// bucketEnded holds the id of a login's token that was ended before its time, or of
// the session whose tokens all were → when the last expires, in Unix seconds.
var bucketEnded = "ended"

// MaxEnded bounds the tokens that are kept as ended. There are more only when as
// many people sign out within a day.
const MaxEnded = 100_000

// EndToken voids the token of a login, given as an Authorization header, before
// it expires. It leaves tokens of other kinds as they are.
func (s *Store) EndToken(header string) error {
	credential, err := bearer(header)
	if err != nil || !s.Signed().Recognises(credential) {
		return nil
	}
	c, err := s.claimsOf(credential)
	if err != nil {
		return nil // it is void already
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	now := s.now().Unix()
	if err := s.update(func(tx *book.Tx) error { return putEnded(tx, c.ID, c.Expires, now) }); err != nil {
		return err
	}
	s.noteEnded(c.ID, c.Expires, now)
	return nil
}

// noteEnded keeps in memory what is ended, and forgets what has expired.
func (s *Store) noteEnded(id string, expires, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, expires := range s.ended {
		if expires <= now {
			delete(s.ended, id)
		}
	}
	s.ended[id] = expires
}

// putEnded notes an ended token and forgets those that have expired.
func putEnded(tx *book.Tx, id string, expires, now int64) error {
	b := tx.Bucket(bucketEnded)
	var gone [][]byte
	kept := 0
	err := b.ForEach(func(k, v []byte) error {
		var at int64
		if err := json.Unmarshal(v, &at); err != nil || at <= now {
			gone = append(gone, k)
			return nil
		}
		kept++
		return nil
	})
	for _, k := range gone {
		if err == nil {
			err = b.Delete(k)
		}
	}
	if err != nil {
		return err
	}
	if kept >= MaxEnded {
		return &RateError{After: time.Hour}
	}
	v, err := json.Marshal(expires)
	if err != nil {
		return err
	}
	return b.Put([]byte(id), v)
}

// loadEnded reads which tokens were ended.
func (s *Store) loadEnded(tx *book.Tx) error {
	return tx.Bucket(bucketEnded).ForEach(func(k, v []byte) error {
		var at int64
		if err := json.Unmarshal(v, &at); err != nil {
			return err
		}
		s.ended[string(k)] = at
		return nil
	})
}

// isEnded reports whether a token, or its whole session, was ended.
func (s *Store) isEnded(c *claims) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, token := s.ended[c.ID]
	_, session := s.ended[c.Session]
	return token || session && c.Session != ""
}
