package ingest

import (
	"annal"
)

// certifyForm is an entry as CertifyClouds shows it. It says neither whose it is
// nor how it ended: the first is the caller's to say, the second is guessed.
func certifyForm() *form {
	return &form{settle: settleCertify, members: map[string]formMember{
		"id":         givenAnew(),
		"timestamp":  timeIn(),
		"event_type": textOf(annal.Action),
		"actor": objectOf(map[string]formMember{
			"type": textOf(annal.ActorType), "id": textOf(annal.ActorID), "name": textOf(annal.ActorName),
		}),
		"resource": objectOf(map[string]formMember{
			"type": textOf(annal.ResourceType), "id": textOf(annal.ResourceID), "name": textOf(annal.ResourceName),
		}),
		"description": textOf(annal.Message),
		"details":     extraIn(),
		"severity":    {read: func(p *parser, _ *entry, _ string) { p.severity() }},
		"ip_address":  textOf(annal.SourceIP),
		"user_agent":  textOf(annal.UserAgent),
	}}
}

func settleCertify(p *parser, _ *entry) {
	e := p.e
	shownWithout := e.Actor.ID // what the dialect shows of an actor without a name
	if e.Actor.Type == "system" {
		shownWithout = "system"
	}
	if e.Actor.Name == shownWithout {
		e.Actor.Name = ""
	}
	p.pathOfID()
	p.given.outcome = true
	e.Outcome = guessTypedOutcome(e.Action, e.Severity)
}

// pathOfID makes the resource's id its path too: the dialects that know
// resources by their paths alone then show it and find it.
func (p *parser) pathOfID() {
	id := p.e.Resource.ID
	if most := annal.Fields[annal.ResourcePath].Max; id != "" && len(id) <= most {
		p.e.Resource.Path = id
		p.texts |= 1 << annal.ResourcePath
	}
}

// guessTypedOutcome tells how an action ended by the last word of its type, or
// by its severity.
func guessTypedOutcome(eventType string, s annal.Severity) annal.Outcome {
	switch {
	case hasSuffixOf(eventType, ".login.failed", ".locked"):
		return annal.Denied
	case hasSuffixOf(eventType, ".failed", ".error"), s == annal.Severe:
		return annal.Failure
	}
	return annal.Success
}
