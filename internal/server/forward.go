package server

import (
	"annal/internal/api"
	"annal/internal/forward"
	"annal/internal/identity"
)

// destinations is forward as the API calls it.
type destinations struct{ store *forward.Store }

// Create adds a destination.
func (d destinations) Create(tenant string, v api.Destination) (api.Destination, error) {
	made, err := d.store.Create(tenant, forward.Destination(v))
	return api.Destination(made), err
}

// Destination returns one.
func (d destinations) Destination(tenant, name string) (api.Destination, error) {
	v, err := d.store.Destination(tenant, name)
	return api.Destination(v), err
}

// Update changes one.
func (d destinations) Update(tenant string, v api.Destination) (before, after api.Destination, err error) {
	old, is, err := d.store.Update(tenant, forward.Destination(v))
	return api.Destination(old), api.Destination(is), err
}

// Delete removes one.
func (d destinations) Delete(tenant, name string) (api.Destination, error) {
	v, err := d.store.Delete(tenant, name)
	return api.Destination(v), err
}

// Forget removes all of a tenant's.
func (d destinations) Forget(tenant string) error { return d.store.Forget(tenant) }

// Search finds some.
func (d destinations) Search(tenant string, q identity.Search) (identity.Found[api.Destination], error) {
	found, err := d.store.Search(tenant, q)
	shown := identity.Found[api.Destination]{Items: make([]api.Destination, len(found.Items)), Total: found.Total, Next: found.Next, Limit: found.Limit}
	for i := range found.Items {
		shown.Items[i] = api.Destination(found.Items[i])
	}
	return shown, err
}
