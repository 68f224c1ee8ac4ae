package bench

import (
	"strconv"

	"annal"
)

// AppendNative appends event i as one line of native JSON, the line's end
// included. None of the generated text needs escaping. Success goes without
// saying: outcome and severity are left to their defaults.
func (g *Generator) AppendNative(b []byte, i uint64) []byte {
	w := g.draw(i)
	a := &actions[w.action]
	b = append(b, `{"time":"`...)
	b = annal.AppendTime(b, w.time, 6)
	b = member(b, `","tenant":"`, g.tenants[w.tenant])
	b = append(b, `","actor":`...)
	if w.rank >= 0 {
		b = append(b, g.identities[w.rank].json...)
	} else {
		b = member(b, `{"type":"`, strangerType)
		b = append(b, `","id":"`...)
		b = append(appendStranger(b, w.stranger), `"}`...)
	}
	b = append(b, `,"session":"`+sessionPrefix...)
	b = appendHex(b, w.session, sessionDigits)
	b = member(b, `","action":"`, a.name)
	b = member(b, `","resource":{"type":"`, a.resource)
	b = member(b, `","path":"`, g.paths[w.path])
	b = append(b, `"},`...)
	status := a.status
	if w.fault >= 0 {
		b = appendFault(b, &faults[w.fault])
		status = faults[w.fault].status
	}
	b = member(b, `"source":{"ip":"`, g.addresses[w.address])
	b = member(b, `","user_agent":"`, g.agents[w.agent])
	b = append(b, `"},"request":{"id":"`+requestPrefix...)
	b = appendHex(b, w.request, requestDigits)
	b = member(b, `","method":"`, a.method)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"duration_ms":`...)
	b = appendMillis(b, w.micros)
	b = append(b, '}')
	if w.extra.shape != plain {
		b = w.extra.appendTo(append(b, `,"extra":`...))
	}
	return append(b, '}', '\n')
}

func member(b []byte, name, value string) []byte {
	return append(append(b, name...), value...)
}

func appendFault(b []byte, f *fault) []byte {
	b = member(b, `"outcome":"`, f.outcome.String())
	b = member(b, `","error_code":"`, f.code)
	b = member(b, `","severity":"`, annal.Warning.String())
	b = member(b, `","message":"`, f.message)
	return append(b, `",`...)
}

// appendMillis appends microseconds as milliseconds, without trailing zeros.
func appendMillis(b []byte, micros int) []byte {
	b = strconv.AppendInt(b, int64(micros/1000), 10)
	rest := micros % 1000
	if rest == 0 {
		return b
	}
	b = append(b, '.', byte('0'+rest/100))
	if rest%100 != 0 {
		b = append(b, byte('0'+rest/10%10))
		if rest%10 != 0 {
			b = append(b, byte('0'+rest%10))
		}
	}
	return b
}
