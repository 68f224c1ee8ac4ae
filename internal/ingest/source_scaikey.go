package ingest

import (
	"annal"
	"annal/internal/strictjson"
)

// scaikeyForm is an entry as ScaiKey shows it, in a list or by itself.
func scaikeyForm() *form {
	return &form{settle: settleScaiKey, members: map[string]formMember{
		"id":            givenAnew(),
		"seq":           givenAnew(),
		"timestamp":     timeIn(),
		"tenant_id":     textOf(annal.Tenant),
		"partner_id":    givenAnew(), // follows from the tenant
		"actor_id":      textOf(annal.ActorID),
		"actor_email":   textOf(annal.ActorEmail),
		"actor_type":    textOf(annal.ActorType),
		"action":        textOf(annal.Action),
		"resource_type": textOf(annal.ResourceType),
		"resource_id":   textOf(annal.ResourceID),
		"resource_name": textOf(annal.ResourceName),
		"result":        {read: readResult},
		"ip_address":    textOf(annal.SourceIP),
		"user_agent":    textOf(annal.UserAgent),
		"details":       extraIn(),
		"request_id":    textOf(annal.RequestID),
		"session_id":    textOf(annal.Session),
		"http": objectOf(map[string]formMember{
			"method": textOf(annal.Method), "status": statusIn(),
			"duration_ms": {read: func(p *parser, _ *entry, name string) { p.duration(name) }},
		}),
		"error_code": textOf(annal.ErrorCode),
	}}
}

func readResult(p *parser, said *entry, name string) {
	text, ok := p.r.Text()
	switch {
	case !ok:
		p.expect(strictjson.String, name)
	case text != "success" && text != "failure":
		p.problem(name, "must be success or failure")
	default:
		succeeded := text == "success"
		said.success = &succeeded
	}
}

func settleScaiKey(p *parser, said *entry) {
	p.pathOfID()
	if said.success != nil {
		p.given.outcome = true
		p.e.Outcome = guessFlatOutcome(*said.success, p.e.Request.Status, p.e.ErrorCode)
	}
}
