package ingest

import (
	"strings"

	"annal"
	"annal/internal/strictjson"
)

// cloudTrailSource reads AWS CloudTrail records, one event each.
type cloudTrailSource struct{ d *decoder }

func (s *cloudTrailSource) flush() error { return nil }

func (s *cloudTrailSource) record(raw []byte) error {
	v, err := parseOriginal(raw)
	if err != nil {
		return err
	}
	if v.Str("eventName") == "" {
		return annal.Invalid("eventName", "is required")
	}
	e := annal.Event{
		EventID:   stableID(v.Str("eventID"), "", raw),
		Time:      timeOf(&v, "eventTime"),
		Action:    v.Str("eventName"),
		Actor:     awsActor(v.Get("userIdentity")),
		Resource:  awsResource(&v),
		ErrorCode: v.Str("errorCode"),
		Message:   v.Str("errorMessage"),
		Source:    annal.Source{IP: v.Str("sourceIPAddress"), UserAgent: v.Str("userAgent")},
		Request:   annal.Request{ID: v.Str("requestID")},
	}
	e.Untimed = e.Time.IsZero()
	e.Outcome = awsOutcome(e.ErrorCode)
	return s.d.finish(&e, nil, original{raw: raw, value: v})
}

// awsOutcome applies the rules for outcomes: an error code that speaks of
// access or authorization is a denial, any other a failure.
func awsOutcome(code string) annal.Outcome {
	switch {
	case code == "":
		return annal.Success
	case strings.Contains(code, "AccessDenied"), strings.Contains(code, "Unauthorized"):
		return annal.Denied
	}
	return annal.Failure
}

// awsActor names the identity by its ARN, or else by the service that acted.
func awsActor(u *strictjson.Value) annal.Actor {
	a := annal.Actor{ID: nobody, Type: awsActorType(u.Str("type")), Name: u.Str("userName")}
	for _, name := range []string{"arn", "invokedBy", "userName", "principalId", "accountId"} {
		if id := u.Str(name); id != "" {
			a.ID = id
			break
		}
	}
	if a.Name == "" {
		a.Name = u.Str("sessionContext", "sessionIssuer", "userName")
	}
	return a
}

func awsActorType(t string) string {
	switch t {
	case "IAMUser", "Root", "SAMLUser", "WebIdentityUser", "IdentityCenterUser", "FederatedUser":
		return "user"
	case "AssumedRole", "Role":
		return "role"
	case "AWSService":
		return "service"
	case "AWSAccount":
		return "account"
	}
	return ""
}

// awsParameters are request parameters that name what was acted upon, the most
// telling ones first.
var awsParameters = [...]string{
	"secretId", "bucketName", "roleName", "userName", "groupName", "policyArn", "functionName", "keyId",
	"instanceId", "trailName", "logGroupName", "repositoryName", "stackName", "tableName", "topicArn",
	"queueUrl", "resourceArn", "resourceId", "name",
}

// awsResource tells what was acted upon: the service, the ARN of the first
// resource, and the name that the request gives.
func awsResource(v *strictjson.Value) annal.Resource {
	service := strings.TrimSuffix(v.Str("eventSource"), ".amazonaws.com")
	r := annal.Resource{Type: service}
	if list := v.Get("resources"); list != nil && len(list.Items) > 0 {
		r.ID = list.Items[0].Str("ARN")
	}
	for _, name := range awsParameters {
		if r.Name = v.Str("requestParameters", name); r.Name != "" {
			break
		}
	}
	r.Path = r.Name
	if key := v.Str("requestParameters", "key"); key != "" && r.Name == v.Str("requestParameters", "bucketName") {
		r.Path += "/" + key
	}
	if r.Path == "" {
		r.Path = r.ID
	}
	return r
}
