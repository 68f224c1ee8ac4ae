package bench

import (
	"math"
	"math/bits"
	"time"

	"annal"
)

// Defaults of a [Mix].
const (
	DefaultEvents     = 1_000_000
	DefaultIdentities = 10_000
	DefaultPaths      = 50_000
	DefaultSpan       = 90 * 24 * time.Hour
)

// Bounds of a [Mix]. Identities and paths are kept as tables.
const (
	MaxIdentities = 1 << 20
	MaxPaths      = 1 << 20
	MaxTenants    = 1 << 20
)

// A Mix says which events there are. Event i is a pure function of the mix and
// i: any part of the log can be made again without keeping it.
type Mix struct {
	Seed       uint64
	Events     int           // how many events share Span; more may follow behind End
	End        time.Time     // the newest event is at or just before it
	Span       time.Duration // how far back the oldest lies
	Identities int           // that act, the few most active much more often (Zipf)
	Strangers  int           // further identities that act equally often, on every other event
	Paths      int           // Zipf too
	Tenants    int           // Zipf; one event each when there are as many tenants as events
	Shuffled   bool          // times in random order instead of nearly sorted
}

func (m Mix) withDefaults() Mix {
	m.Events = orInt(m.Events, DefaultEvents)
	m.Identities = min(orInt(m.Identities, DefaultIdentities), MaxIdentities)
	m.Paths = min(orInt(m.Paths, DefaultPaths), MaxPaths)
	m.Tenants = min(orInt(m.Tenants, 1), MaxTenants)
	if m.Span == 0 {
		m.Span = DefaultSpan
	}
	m.End = m.End.UTC().Truncate(time.Microsecond)
	return m
}

func orInt(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

// A Generator makes the events of one Mix. It is safe for concurrent use.
type Generator struct {
	mix        Mix
	identities []identity
	paths      []string
	tenants    []string
	addresses  []string
	agents     []string
	actionOf   [weightSum]uint8 // which action each share of the whole is
	faultOf    [faultSum]uint8
	logIDs     float64 // ln(identities + 1), for Zipf
	logPaths   float64
	logTenants float64
	pathStep   uint64 // spreads the popular paths over the hierarchy
	timeStep   uint64 // visits the times in random order; 1 when they are sorted
}

// NewGenerator prepares the tables that m needs.
func NewGenerator(m Mix) *Generator {
	m = m.withDefaults()
	g := &Generator{
		mix:        m,
		identities: make([]identity, m.Identities),
		paths:      make([]string, m.Paths),
		tenants:    make([]string, m.Tenants),
		addresses:  addresses(),
		agents:     agents(),
		logIDs:     math.Log(float64(m.Identities) + 1),
		logPaths:   math.Log(float64(m.Paths) + 1),
		logTenants: math.Log(float64(m.Tenants) + 1),
		pathStep:   coprime(uint64(m.Paths)),
		timeStep:   1,
	}
	for i := range g.identities {
		g.identities[i] = nthIdentity(i)
	}
	for i := range g.paths {
		g.paths[i] = nthPath(i)
	}
	for i := range g.tenants {
		g.tenants[i] = nthTenant(i)
	}
	if m.Shuffled {
		g.timeStep = coprime(uint64(m.Events))
	}
	spread(g.actionOf[:], len(actions), func(i int) int { return actions[i].weight })
	spread(g.faultOf[:], len(faults), func(i int) int { return faults[i].weight })
	return g
}

// Mix returns what the generator makes, defaults filled in.
func (g *Generator) Mix() Mix { return g.mix }

// spread fills table with the numbers below n, each as often as it weighs.
func spread(table []uint8, n int, weight func(int) int) {
	at := 0
	for i := range n {
		for range weight(i) {
			table[at] = uint8(i)
			at++
		}
	}
}

// coprime returns a step that visits all of 0..n-1 in an order without pattern.
func coprime(n uint64) uint64 {
	if n < 3 {
		return 1
	}
	for step := uint64(float64(n)*0.618) | 1; ; step += 2 {
		if gcd(step, n) == 1 {
			return step
		}
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// dice is a stream of random numbers (SplitMix64).
type dice uint64

const golden = 0x9e3779b97f4a7c15

func (d *dice) next() uint64 {
	*d += golden
	return scramble(uint64(*d))
}

// below returns a number in [0, n).
func (d *dice) below(n int) int {
	hi, _ := bits.Mul64(d.next(), uint64(n))
	return int(hi)
}

// unit returns a number in [0, 1).
func (d *dice) unit() float64 { return float64(d.next()>>11) / (1 << 53) }

// zipf returns a rank in [0, n), where logN is ln(n + 1) and rank r has a
// share of about 1/(r+1).
func (d *dice) zipf(logN float64, n int) int {
	return min(int(math.Exp(d.unit()*logN))-1, n-1)
}

// scramble is a bijection of 64 bits without pattern; unscramble undoes it.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func unscramble(x uint64) uint64 {
	x = (x ^ x>>31 ^ x>>62) * 0x319642b2d24d8ec3
	x = (x ^ x>>27 ^ x>>54) * 0x96de1b173f119089
	return x ^ x>>30 ^ x>>60
}

// draw holds what the dice said for one event.
type draw struct {
	time     time.Time
	tenant   int
	rank     int // of the identity; -1: a stranger
	stranger uint64
	session  uint64
	action   int
	path     int
	fault    int // -1: success
	address  int
	agent    int
	request  uint64
	micros   int // duration
	extra    extra
}

const failPerMille = 30 // events that do not succeed

func (g *Generator) draw(i uint64) draw {
	d := dice(scramble(g.mix.Seed ^ i*golden))
	w := draw{request: g.requestOf(i), fault: -1, rank: -1}
	w.time = g.timeOf(i, &d)
	w.tenant = g.tenantOf(i, &d)
	var who uint64 // what an identity's habits follow from
	if g.mix.Strangers > 0 && i%2 == 1 {
		w.stranger = i / 2 % uint64(g.mix.Strangers)
		who = scramble(w.stranger + golden)
		w.session = scramble(who ^ i/(40*uint64(g.mix.Strangers)))
	} else {
		w.rank = d.zipf(g.logIDs, g.mix.Identities)
		who = scramble(uint64(w.rank))
		// An identity acts once in (rank+1)·logIDs events, so that about
		// twenty share a session.
		w.session = scramble(who ^ scramble(i/uint64(20*float64(w.rank+1)*g.logIDs)))
	}
	w.action = int(g.actionOf[d.below(weightSum)])
	w.path = int(uint64(d.zipf(g.logPaths, g.mix.Paths)) * g.pathStep % uint64(g.mix.Paths))
	if d.below(1000) < failPerMille {
		w.fault = int(g.faultOf[d.below(faultSum)])
	}
	habits := d.next()
	w.address = int((who + habits%3) % uint64(len(g.addresses)))
	w.agent = int((who>>20 + habits>>8%2) % uint64(len(g.agents)))
	w.micros = 300 + int(habits>>16%4096)*int(habits>>32%64)
	w.extra = g.extraOf(i, w.action, &d)
	return w
}

// timeOf spreads the events over the span: nearly in order, with jitter that
// lets neighbours change places.
func (g *Generator) timeOf(i uint64, d *dice) time.Time {
	const jitter = 3 * time.Second
	n := uint64(g.mix.Events)
	at := i
	if i < n {
		at = i * g.timeStep % n
	}
	hi, lo := bits.Mul64(at+1, uint64(g.mix.Span))
	offset, _ := bits.Div64(hi, lo, n)
	back := time.Duration(d.below(int(min(jitter, g.mix.Span/2))))
	return g.mix.End.Add(time.Duration(offset) - g.mix.Span - back).Truncate(time.Microsecond)
}

func (g *Generator) tenantOf(i uint64, d *dice) int {
	switch {
	case g.mix.Tenants == 1:
		return 0
	case g.mix.Tenants >= g.mix.Events:
		return int(i % uint64(g.mix.Tenants))
	}
	return d.zipf(g.logTenants, g.mix.Tenants)
}

// requestOf numbers requests without pattern, each once; [Generator.Index] is
// the inverse.
func (g *Generator) requestOf(i uint64) uint64 { return scramble(i + scramble(g.mix.Seed)) }

// Index returns which event has the given request id.
func (g *Generator) Index(requestID string) (uint64, bool) {
	n, ok := parseHex(requestID, requestPrefix)
	if !ok {
		return 0, false
	}
	return unscramble(n) - scramble(g.mix.Seed), true
}

// Event fills e with event i as the log should return it, but for what the
// log itself assigns.
func (g *Generator) Event(i uint64, e *annal.Event) {
	w := g.draw(i)
	a := &actions[w.action]
	*e = annal.Event{
		Time: w.time, Tenant: g.tenants[w.tenant], Session: hexString(sessionPrefix, w.session, sessionDigits),
		Action: a.name, Outcome: annal.Success, Severity: annal.Info,
	}
	if w.rank >= 0 {
		e.Actor = g.identities[w.rank].actor
	} else {
		e.Actor = annal.Actor{Type: strangerType, ID: string(appendStranger(nil, w.stranger))}
	}
	e.Resource = annal.Resource{Type: a.resource, Path: g.paths[w.path]}
	e.Source = annal.Source{IP: g.addresses[w.address], UserAgent: g.agents[w.agent]}
	e.Request = annal.Request{
		ID: hexString(requestPrefix, w.request, requestDigits), Method: a.method, Status: a.status,
		Duration: time.Duration(w.micros) * time.Microsecond,
	}
	if w.fault >= 0 {
		f := &faults[w.fault]
		e.Outcome, e.ErrorCode, e.Severity, e.Message = f.outcome, f.code, annal.Warning, f.message
		e.Request.Status = f.status
	}
	if w.extra.shape != plain {
		e.Extra = string(w.extra.appendTo(nil))
	}
}
