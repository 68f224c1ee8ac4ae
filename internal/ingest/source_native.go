package ingest

import (
	"strconv"

	"annal"
	"annal/internal/strictjson"
)

// A member is one that the native form knows, at any level. The numbers are
// bits of the sets that find duplicates.
type member uint8

const (
	unknown member = iota
	mEventID
	mTime
	mTenant
	mActor
	mSession
	mAction
	mResource
	mOutcome
	mErrorCode
	mSeverity
	mMessage
	mSource
	mRequest
	mExtra
	mFlags
	mID
	mSeq
	mPosition
	mReceived
)

// nativeMember finds a member of the event itself by its name.
func nativeMember(name string) member {
	switch name {
	case "time":
		return mTime
	case "tenant":
		return mTenant
	case "actor":
		return mActor
	case "action":
		return mAction
	case "resource":
		return mResource
	case "outcome":
		return mOutcome
	case "source":
		return mSource
	case "request":
		return mRequest
	case "extra":
		return mExtra
	case "session":
		return mSession
	case "event_id":
		return mEventID
	case "error_code":
		return mErrorCode
	case "severity":
		return mSeverity
	case "message":
		return mMessage
	case "flags":
		return mFlags
	case "id":
		return mID
	case "seq":
		return mSeq
	case "position":
		return mPosition
	case "received":
		return mReceived
	}
	return unknown
}

// native reads one event in annal's own form.
func (p *parser) native() {
	e := p.e
	var seen uint32
	p.r.Enter()
	for {
		name, ok := p.r.Name()
		if !ok {
			return
		}
		m := nativeMember(name)
		if m != unknown {
			p.once(&seen, uint8(m), "", name)
		}
		switch m {
		case mTime:
			p.time("time")
		case mTenant:
			p.text(annal.Tenant, &e.Tenant)
		case mActor:
			p.nested("actor", (*parser).actorMember)
		case mAction:
			p.text(annal.Action, &e.Action)
		case mResource:
			p.nested("resource", (*parser).resourceMember)
		case mOutcome:
			p.outcome()
		case mSource:
			p.nested("source", (*parser).sourceMember)
		case mRequest:
			p.nested("request", (*parser).requestMember)
		case mExtra:
			e.Extra = p.extra("extra")
		case mSession:
			p.text(annal.Session, &e.Session)
		case mEventID:
			p.text(annal.EventID, &e.EventID)
		case mErrorCode:
			p.text(annal.ErrorCode, &e.ErrorCode)
		case mSeverity:
			p.severity()
		case mMessage:
			p.text(annal.Message, &e.Message)
		case mFlags:
			p.sentFlags()
		case mID, mSeq, mPosition, mReceived:
			p.r.Skip() // the log assigns them anew
		default:
			p.unknown("", name)
		}
	}
}

// once notes a problem when the member with this bit occurs a second time.
func (p *parser) once(seen *uint32, bit uint8, object, name string) {
	mask := uint32(1) << bit
	if *seen&mask != 0 {
		p.problem(memberPath(object, name), `the member name "`+name+`" occurs twice`)
	}
	*seen |= mask
}

func memberPath(object, name string) string {
	if object == "" {
		return name
	}
	return object + "." + name
}

// unknown refuses a member that the native form does not have: a typing error
// must not vanish.
func (p *parser) unknown(object, name string) {
	p.r.Skip()
	if len(name) > maxNameShown {
		name = cutText(name, maxNameShown) + "…"
	}
	if !annal.ValidText(name) || name == "" {
		name = strconv.Quote(name)
	}
	p.problem(memberPath(object, name), "there is no such member; further members belong in extra")
}

// maxNameShown bounds how much of a member name a problem repeats.
const maxNameShown = 64

// nested reads an object of known members. each reads the value of the member
// that it knows by name, and returns a number for it, or 0.
func (p *parser) nested(object string, each func(p *parser, name string) uint8) {
	if !p.expect(strictjson.Object, object) {
		return
	}
	var seen uint32
	p.r.Enter()
	for {
		name, ok := p.r.Name()
		if !ok {
			return
		}
		bit := each(p, name)
		if bit == 0 {
			p.unknown(object, name)
		} else {
			p.once(&seen, bit, object, name)
		}
	}
}

func (p *parser) actorMember(name string) uint8 {
	switch name {
	case "id":
		p.text(annal.ActorID, &p.e.Actor.ID)
		return 1
	case "type":
		p.text(annal.ActorType, &p.e.Actor.Type)
		return 2
	case "name":
		p.text(annal.ActorName, &p.e.Actor.Name)
		return 3
	case "email":
		p.text(annal.ActorEmail, &p.e.Actor.Email)
		return 4
	case "on_behalf_of":
		p.nested("actor.on_behalf_of", (*parser).behalfMember)
		return 5
	}
	return 0
}

func (p *parser) behalfMember(name string) uint8 {
	switch name {
	case "id":
		p.text(annal.BehalfID, &p.e.Behalf.ID)
		return 1
	case "type":
		p.text(annal.BehalfType, &p.e.Behalf.Type)
		return 2
	case "name":
		p.text(annal.BehalfName, &p.e.Behalf.Name)
		return 3
	case "email":
		p.text(annal.BehalfEmail, &p.e.Behalf.Email)
		return 4
	}
	return 0
}

func (p *parser) resourceMember(name string) uint8 {
	switch name {
	case "type":
		p.text(annal.ResourceType, &p.e.Resource.Type)
		return 1
	case "id":
		p.text(annal.ResourceID, &p.e.Resource.ID)
		return 2
	case "path":
		p.text(annal.ResourcePath, &p.e.Resource.Path)
		return 3
	case "name":
		p.text(annal.ResourceName, &p.e.Resource.Name)
		return 4
	}
	return 0
}

func (p *parser) sourceMember(name string) uint8 {
	switch name {
	case "ip":
		p.text(annal.SourceIP, &p.e.Source.IP)
		return 1
	case "user_agent":
		p.text(annal.UserAgent, &p.e.Source.UserAgent)
		return 2
	}
	return 0
}

func (p *parser) requestMember(name string) uint8 {
	switch name {
	case "id":
		p.text(annal.RequestID, &p.e.Request.ID)
		return 1
	case "method":
		p.text(annal.Method, &p.e.Request.Method)
		return 2
	case "status":
		p.status("request.status")
		return 3
	case "duration_ms":
		p.duration("request.duration_ms")
		return 4
	}
	return 0
}
