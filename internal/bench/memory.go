package bench

import "sync"

// memory says how much of a process is resident, in bytes.
type memory struct {
	peak     int64 // the most that was since the process or resetPeak began
	resident int64 // at present, with mapped files
	anon     int64 // of it, what belongs to no file
	file     int64 // of it, mapped files
}

// most returns the larger of each.
func (m memory) most(o memory) memory {
	return memory{max(m.peak, o.peak), max(m.resident, o.resident), max(m.anon, o.anon), max(m.file, o.file)}
}

// watched is the most memory that a server held, which is looked at now and then.
type watched struct {
	mu    sync.Mutex
	ever  memory
	phase memory // since it began
	exact bool   // phase.peak is of the phase alone
}

// note looks at process pid, unless it is 0.
func (w *watched) note(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(pid)
}

func (w *watched) look(pid int) {
	if pid == 0 {
		return
	}
	if m, err := readMemory(pid); err == nil {
		w.ever = w.ever.most(m)
		w.phase = w.phase.most(m)
	}
}

// begin forgets what the phase before held.
func (w *watched) begin(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(pid)
	w.exact = pid != 0 && resetPeak(pid) == nil
	w.phase = memory{}
}

// peaks returns the most that was held in this phase, and ever.
func (w *watched) peaks() (phase, ever memory) {
	w.mu.Lock()
	defer w.mu.Unlock()
	phase = w.phase
	if w.exact {
		phase.resident = phase.peak
	}
	return phase, w.ever
}

// addPhaseMemory reports what the server held at most during a phase.
func (r *run) addPhaseMemory(key string) {
	r.server.noteMemory()
	phase, _ := r.server.watched.peaks()
	if phase.resident == 0 {
		return
	}
	r.report.add(residentPrefix+key+memorySuffix, float64(phase.resident)/mib)
	r.report.add(anonymousPrefix+key+memorySuffix, float64(phase.anon)/mib)
	r.report.add(filePrefix+key+memorySuffix, float64(phase.file)/mib)
}

// addMemory reports what the server ever held at most.
func (r *run) addMemory() {
	r.server.noteMemory()
	if _, ever := r.server.watched.peaks(); ever.peak > 0 {
		r.report.add("peak_resident_mib", float64(ever.peak)/mib)
		r.report.add("peak_anonymous_mib", float64(ever.anon)/mib)
	}
}
