package bench

import "strconv"

// The shapes of extra data.
const (
	plain   = iota // none
	version        // {"version":n}
	mount          // {"lease_seconds":n,"mount":"…"}
	reason         // {"rotation_reason":"…","version":n}
	ticket         // {"ticket":"INC-n"}
	rare           // {"ticket":"INC-277777n"}, the needle of a text search
)

type extra struct {
	shape int
	n     int
}

var (
	reasons = [...]string{"scheduled", "manual", "compromise_suspected", "policy", "owner_left"}
	mounts  = [...]string{"postgres-main", "postgres-reporting", "mysql-shop", "aws-deploy", "kafka-events", "rabbit-tasks", "ssh-bastion"}
)

// How often tickets are named, and the needles among them.
const (
	ticketPerMille = 40
	ticketNumbers  = 100_000
	rareTickets    = 10 // kinds of needle
	rareEach       = 5  // events that hold each
)

func (g *Generator) extraOf(i uint64, action int, d *dice) extra {
	if step := max(uint64(g.mix.Events)/(rareTickets*rareEach), 1); i%step == step/2 {
		return extra{rare, int(i / step % rareTickets)}
	}
	roll := d.next()
	n := int(roll >> 32)
	if roll%1000 < ticketPerMille {
		return extra{ticket, 1_000_000 + n%ticketNumbers}
	}
	switch actions[action].resource {
	case "lease":
		return extra{mount, n}
	case "secret":
		if actions[action].name == "rotate" {
			return extra{reason, n}
		}
		if roll>>10%100 < 35 {
			return extra{version, 1 + n%40}
		}
	}
	return extra{}
}

// appendTo appends the JSON of the extra data, in canonical form.
func (x extra) appendTo(b []byte) []byte {
	switch x.shape {
	case version:
		b = append(b, `{"version":`...)
		b = strconv.AppendInt(b, int64(x.n), 10)
	case mount:
		b = append(b, `{"lease_seconds":`...)
		b = strconv.AppendInt(b, int64(600*(1+x.n>>8%24)), 10)
		b = append(b, `,"mount":"`...)
		b = append(b, mounts[x.n%len(mounts)]...)
		b = append(b, '"')
	case reason:
		b = append(b, `{"rotation_reason":"`...)
		b = append(b, reasons[x.n%len(reasons)]...)
		b = append(b, `","version":`...)
		b = strconv.AppendInt(b, int64(1+x.n>>8%40), 10)
	case ticket:
		b = append(b, `{"ticket":"INC-`...)
		b = append(strconv.AppendInt(b, int64(x.n), 10), '"')
	case rare:
		b = append(b, `{"ticket":"`...)
		b = append(append(b, RareWord(x.n)...), '"')
	}
	return append(b, '}')
}

// RareWord returns the n-th of the words that only a few events contain.
func RareWord(n int) string { return "INC-" + strconv.Itoa(2_777_770+n%rareTickets) }
