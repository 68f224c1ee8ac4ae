package annaltest

import "annal"

// Lose has the events at from ≤ position < to be lost, as damage does.
func (m *Model) Lose(from, to uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = m.lost.With(annal.Gaps{{From: from, To: to}})
}

// Missing returns the gaps that have events of q's times below its Below: whose
// they were is not known.
func (m *Model) Missing(q annal.Query) (out annal.Gaps) {
	if q.Tenants != nil && len(q.Tenants) == 0 {
		return nil
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	times := annal.Query{Since: q.Since, Until: q.Until, Below: q.Below}
	for _, g := range m.lost {
		for p := g.From; p < g.To; p++ {
			if times.Matches(&m.events[p]) {
				if q.Below != 0 {
					g.To = min(g.To, q.Below)
				}
				out = append(out, g)
				break
			}
		}
	}
	return out
}
