package ingest

import (
	"annal"
	"annal/internal/strictjson"
)

// nestedExtra is where members that ScaiVault's form does not know go when one
// of them has the name of a member of extra_data.
const nestedExtra = "entry"

// A flat is what a ScaiVault entry says beyond the fields of an event.
type flat struct {
	extraData string              // canonical, or ""
	more      strictjson.Value    // members that the form does not know
	success   *bool               // nil: not said
	names     map[string]struct{} // of more
}

// scaiVault reads one flat entry of ScaiVault. Its own id is not kept, as
// annal gives each event one.
func (p *parser) scaiVault() {
	var seen uint32
	var f flat
	p.r.Enter()
	for {
		name, ok := p.r.Name()
		if !ok {
			break
		}
		bit := flatMember(name)
		if bit == 0 {
			p.further(&f, name)
			continue
		}
		p.once(&seen, bit, "", name)
		p.flatValue(&f, bit)
	}
	if p.r.Err() != nil {
		return
	}
	if f.success != nil {
		p.given.outcome = true
		p.e.Outcome = guessFlatOutcome(*f.success, p.e.Request.Status, p.e.ErrorCode)
	}
	if p.e.Extra = f.extra(); len(f.more.Members) > 0 {
		// What was joined nests deeper than its parts.
		if _, err := strictjson.Parse([]byte(p.e.Extra), annal.MaxExtraDepth); err != nil {
			p.problem("extra_data", "nests too deeply together with the further members")
		}
	}
}

// flatName returns the member of the flat form that a field is read from.
func flatName(field string) string {
	for _, n := range [...][2]string{
		{"tenant", "tenant_id"}, {"actor.id", "identity_id"}, {"actor.type", "identity_type"},
		{"actor.name", "identity_name"}, {"actor.email", "identity_email"}, {"resource.path", "secret_path"},
		{"source.ip", "source_ip"}, {"source.user_agent", "user_agent"}, {"request.id", "request_id"},
		{"request.method", "method"}, {"session", "session_id"}, {"extra", "extra_data"},
	} {
		if n[0] == field {
			return n[1]
		}
	}
	return field
}

const (
	fID = iota + 1
	fTimestamp
	fAction
	fPath
	fActorType
	fActorID
	fActorName
	fActorEmail
	fIP
	fUserAgent
	fSuccess
	fDuration
	fRequestID
	fTenant
	fSession
	fMethod
	fStatus
	fErrorCode
	fExtraData
)

// flatMember numbers the members of the flat form.
func flatMember(name string) uint8 {
	switch name {
	case "id":
		return fID
	case "timestamp":
		return fTimestamp
	case "action":
		return fAction
	case "secret_path":
		return fPath
	case "identity_type":
		return fActorType
	case "identity_id":
		return fActorID
	case "identity_name":
		return fActorName
	case "identity_email":
		return fActorEmail
	case "source_ip":
		return fIP
	case "user_agent":
		return fUserAgent
	case "success":
		return fSuccess
	case "duration_ms":
		return fDuration
	case "request_id":
		return fRequestID
	case "tenant_id":
		return fTenant
	case "session_id":
		return fSession
	case "method":
		return fMethod
	case "status":
		return fStatus
	case "error_code":
		return fErrorCode
	case "extra_data":
		return fExtraData
	}
	return 0
}

func (p *parser) flatValue(f *flat, bit uint8) {
	e := p.e
	switch bit {
	case fID:
		p.r.Skip()
	case fTimestamp:
		p.time("timestamp")
	case fAction:
		p.text(annal.Action, &e.Action)
	case fPath:
		p.text(annal.ResourcePath, &e.Resource.Path)
	case fActorType:
		p.text(annal.ActorType, &e.Actor.Type)
	case fActorID:
		p.text(annal.ActorID, &e.Actor.ID)
	case fActorName:
		p.text(annal.ActorName, &e.Actor.Name)
	case fActorEmail:
		p.text(annal.ActorEmail, &e.Actor.Email)
	case fIP:
		p.text(annal.SourceIP, &e.Source.IP)
	case fUserAgent:
		p.text(annal.UserAgent, &e.Source.UserAgent)
	case fSuccess:
		p.success(f)
	case fDuration:
		p.duration("duration_ms")
	case fRequestID:
		p.text(annal.RequestID, &e.Request.ID)
	case fTenant:
		p.text(annal.Tenant, &e.Tenant)
	case fSession:
		p.text(annal.Session, &e.Session)
	case fMethod:
		p.text(annal.Method, &e.Request.Method)
	case fStatus:
		p.status("status")
	case fErrorCode:
		p.text(annal.ErrorCode, &e.ErrorCode)
	case fExtraData:
		f.extraData = p.extra("extra_data")
	}
}

func (p *parser) success(f *flat) {
	switch kind := p.r.Peek(); kind {
	case strictjson.True, strictjson.False:
		yes := kind == strictjson.True
		f.success = &yes
		p.r.Skip()
	default:
		p.expect(strictjson.True, "success")
	}
}

// further keeps a member that the flat form does not know.
func (p *parser) further(f *flat, name string) {
	if _, ok := f.names[name]; ok {
		p.r.Twice(name)
		return
	}
	if f.names == nil {
		f.names = make(map[string]struct{})
	}
	f.names[name] = struct{}{}
	f.more.Add(name, p.r.Value())
}

// extra joins extra_data and the unknown members. When a name is in both, all
// unknown members go into one of their own, "entry" (with as many underscores
// behind it as make it new).
func (f *flat) extra() string {
	if len(f.more.Members) == 0 {
		return f.extraData
	}
	all := strictjson.Value{Kind: strictjson.Object}
	if f.extraData != "" {
		all, _ = strictjson.Parse([]byte(f.extraData), annal.MaxExtraDepth)
	}
	clash := false
	for _, m := range all.Members {
		_, ok := f.names[m.Name]
		clash = clash || ok
	}
	if !clash {
		all.Members = append(all.Members, f.more.Members...)
	} else {
		name := nestedExtra
		for all.Get(name) != nil {
			name += "_"
		}
		all.Add(name, f.more)
	}
	return string(all.AppendCanonical(nil))
}
