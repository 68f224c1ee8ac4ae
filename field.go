package annal

import (
	"strconv"
	"time"
	"unsafe"
)

// A Field names one searchable property of an [Event].
type Field uint8

// The fields. Those below NumTexts are strings (see [Event.Text]).
const (
	Tenant Field = iota
	Action
	ActorType
	ActorID
	ActorName
	ActorEmail
	BehalfType
	BehalfID
	BehalfName
	BehalfEmail
	ResourceType
	ResourceID
	ResourcePath
	ResourceName
	ErrorCode
	SourceIP
	UserAgent
	Method
	Session
	RequestID
	EventID
	Message
	Extra
	Flags
	NumTexts
)

const (
	ResultOutcome Field = NumTexts + iota
	SeverityLevel
	Status
	Duration
	NumFields
)

// An Index says how the store finds the events with a given value of a field.
type Index uint8

const (
	// ByScan: no index; block summaries skip what cannot match. For fields of
	// few values, and for those that are seldom asked.
	ByScan Index = iota
	// ByPostings: each value's rows are listed. For fields of many values, each
	// on many events.
	ByPostings
	// ByHash: fingerprints lead to the rows. For values that are nearly unique.
	ByHash
)

// A FieldInfo describes one field: a row of [Fields].
type FieldInfo struct {
	Name   string // in filters, CSV and errors
	Max    int    // longest value in bytes; 0 for numbers and enums
	Index  Index
	Shared bool // values recur across segments, so the store interns them
	Search bool // free text looks here
}

// Limits of an event. Longer text values are refused with the field's name.
const (
	MaxEventBytes  = 256 << 10 // one event as JSON
	MaxExtraDepth  = 64        // nesting of objects and arrays in extra
	MaxDuration    = 100 * 24 * time.Hour
	MaxFlags       = 32                       // flags of one event
	MaxFlagBytes   = 8 << 10                  // all flags of one event as JSON
	ClockSkewPast  = 24 * time.Hour * 366 * 7 // older events are flagged
	ClockSkewAhead = 5 * time.Minute          // events further in the future are flagged
)

// Fields describes every field; its order is that of the constants and of CSV
// columns.
var Fields = [NumFields]FieldInfo{
	Tenant:        {Name: "tenant", Max: 128, Shared: true},
	Action:        {Name: "action", Max: 256, Shared: true, Search: true},
	ActorType:     {Name: "actor.type", Max: 64, Shared: true},
	ActorID:       {Name: "actor.id", Max: 1024, Index: ByPostings, Shared: true, Search: true},
	ActorName:     {Name: "actor.name", Max: 512, Shared: true, Search: true},
	ActorEmail:    {Name: "actor.email", Max: 320, Shared: true, Search: true},
	BehalfType:    {Name: "actor.on_behalf_of.type", Max: 64, Shared: true},
	BehalfID:      {Name: "actor.on_behalf_of.id", Max: 1024, Shared: true},
	BehalfName:    {Name: "actor.on_behalf_of.name", Max: 512, Shared: true},
	BehalfEmail:   {Name: "actor.on_behalf_of.email", Max: 320, Shared: true},
	ResourceType:  {Name: "resource.type", Max: 128, Shared: true},
	ResourceID:    {Name: "resource.id", Max: 2048, Index: ByPostings, Shared: true},
	ResourcePath:  {Name: "resource.path", Max: 4096, Index: ByPostings, Shared: true, Search: true},
	ResourceName:  {Name: "resource.name", Max: 1024, Shared: true, Search: true},
	ErrorCode:     {Name: "error_code", Max: 512, Shared: true},
	SourceIP:      {Name: "source.ip", Max: 256, Index: ByPostings, Shared: true},
	UserAgent:     {Name: "source.user_agent", Max: 2048, Shared: true, Search: true},
	Method:        {Name: "request.method", Max: 64, Shared: true},
	Session:       {Name: "session", Max: 512, Index: ByHash},
	RequestID:     {Name: "request.id", Max: 512, Index: ByHash},
	EventID:       {Name: "event_id", Max: 128, Index: ByHash},
	Message:       {Name: "message", Max: 16 << 10, Search: true},
	Extra:         {Name: "extra", Max: MaxEventBytes, Search: true},
	Flags:         {Name: "flags", Max: MaxFlagBytes},
	ResultOutcome: {Name: "outcome"},
	SeverityLevel: {Name: "severity"},
	Status:        {Name: "request.status"},
	Duration:      {Name: "request.duration_ms"},
}

// String returns the field's name.
func (f Field) String() string {
	if f < NumFields {
		return Fields[f].Name
	}
	return "invalid"
}

// FieldNamed finds a field by its name.
func FieldNamed(name string) (Field, bool) {
	for f := range Fields {
		if Fields[f].Name == name {
			return Field(f), true
		}
	}
	return 0, false
}

// textOffsets says where in an Event each text field is.
var textOffsets = [NumTexts]uintptr{
	Tenant:       unsafe.Offsetof(Event{}.Tenant),
	Action:       unsafe.Offsetof(Event{}.Action),
	ActorType:    unsafe.Offsetof(Event{}.Actor) + unsafe.Offsetof(Actor{}.Type),
	ActorID:      unsafe.Offsetof(Event{}.Actor) + unsafe.Offsetof(Actor{}.ID),
	ActorName:    unsafe.Offsetof(Event{}.Actor) + unsafe.Offsetof(Actor{}.Name),
	ActorEmail:   unsafe.Offsetof(Event{}.Actor) + unsafe.Offsetof(Actor{}.Email),
	BehalfType:   unsafe.Offsetof(Event{}.Behalf) + unsafe.Offsetof(Actor{}.Type),
	BehalfID:     unsafe.Offsetof(Event{}.Behalf) + unsafe.Offsetof(Actor{}.ID),
	BehalfName:   unsafe.Offsetof(Event{}.Behalf) + unsafe.Offsetof(Actor{}.Name),
	BehalfEmail:  unsafe.Offsetof(Event{}.Behalf) + unsafe.Offsetof(Actor{}.Email),
	ResourceType: unsafe.Offsetof(Event{}.Resource) + unsafe.Offsetof(Resource{}.Type),
	ResourceID:   unsafe.Offsetof(Event{}.Resource) + unsafe.Offsetof(Resource{}.ID),
	ResourcePath: unsafe.Offsetof(Event{}.Resource) + unsafe.Offsetof(Resource{}.Path),
	ResourceName: unsafe.Offsetof(Event{}.Resource) + unsafe.Offsetof(Resource{}.Name),
	ErrorCode:    unsafe.Offsetof(Event{}.ErrorCode),
	SourceIP:     unsafe.Offsetof(Event{}.Source) + unsafe.Offsetof(Source{}.IP),
	UserAgent:    unsafe.Offsetof(Event{}.Source) + unsafe.Offsetof(Source{}.UserAgent),
	Method:       unsafe.Offsetof(Event{}.Request) + unsafe.Offsetof(Request{}.Method),
	Session:      unsafe.Offsetof(Event{}.Session),
	RequestID:    unsafe.Offsetof(Event{}.Request) + unsafe.Offsetof(Request{}.ID),
	EventID:      unsafe.Offsetof(Event{}.EventID),
	Message:      unsafe.Offsetof(Event{}.Message),
	Extra:        unsafe.Offsetof(Event{}.Extra),
	Flags:        unsafe.Offsetof(Event{}.Flags),
}

// Text returns where e keeps the text field f. It panics when f is no text.
// Every event passes here for every field several times, so it is an offset and
// not a switch.
func (e *Event) Text(f Field) *string {
	return (*string)(unsafe.Add(unsafe.Pointer(e), textOffsets[f]))
}

// Value returns field f of e as text, as filters and CSV show it.
func (e *Event) Value(f Field) string {
	switch f {
	case ResultOutcome:
		return e.Outcome.String()
	case SeverityLevel:
		return e.Severity.String()
	case Status:
		return strconv.Itoa(int(e.Request.Status))
	case Duration:
		return string(AppendMilliseconds(nil, e.Request.Duration))
	}
	return *e.Text(f)
}
