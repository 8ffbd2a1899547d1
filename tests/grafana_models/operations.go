// Every operation of Grafana's API, as its published client makes it: nothing of it is written down here.
package main

import (
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/go-openapi/strfmt"
	"github.com/grafana/grafana-openapi-client-go/client"
)

const base = "/api"

// operation is one method and path of the API, with what a request of it may hold.
type operation struct {
	*runtime.ClientOperation
	body    reflect.Type // of the pointer to the model; nil: the operation takes none
	queries map[string]bool
	headers map[string]bool
}

// catcher is a transport that sends nothing and keeps what it was to send.
type catcher struct{ caught *runtime.ClientOperation }

var errCaught = errors.New("caught")

func (c *catcher) Submit(op *runtime.ClientOperation) (interface{}, error) {
	c.caught = op
	return nil, errCaught
}

// allOperations calls each method of each service once, with empty parameters, and keeps what it would send.
func allOperations() []operation {
	transport := &catcher{}
	api := reflect.ValueOf(client.New(transport, client.DefaultTransportConfig(), strfmt.Default)).Elem()
	var found []operation
	for i := 0; i < api.NumField(); i++ {
		field := api.Type().Field(i)
		if !field.IsExported() || field.Type.Kind() != reflect.Interface || field.Type.Name() != "ClientService" {
			continue
		}
		service := api.Field(i).Elem()
		for m := 0; m < service.NumMethod(); m++ {
			method := service.Method(m)
			if method.Type().NumIn() == 0 || method.Type().In(0).Kind() != reflect.Pointer {
				continue
			}
			params := method.Type().In(0).Elem()
			if params.Kind() != reflect.Struct || !strings.HasSuffix(params.Name(), "Params") {
				continue
			}
			method.Call([]reflect.Value{filled(params)})
			found = append(found, described(transport.caught, params))
		}
	}
	return found
}

// filled makes parameters of which each optional one is set, so that the request shows the names of all.
func filled(params reflect.Type) reflect.Value {
	made := reflect.New(params)
	for i := 0; i < params.NumField(); i++ {
		field := made.Elem().Field(i)
		if !params.Field(i).IsExported() || params.Field(i).Name == "Body" {
			continue
		}
		switch field.Kind() {
		case reflect.Pointer:
			if field.Type().Elem().Kind() == reflect.Struct {
				continue // an HTTP client
			}
			field.Set(reflect.New(field.Type().Elem()))
			some(field.Elem())
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			some(field.Index(0))
		default:
			some(field)
		}
	}
	return made
}

// some makes a value other than the zero value, which the client would leave out.
func some(value reflect.Value) {
	switch value.Kind() {
	case reflect.String:
		value.SetString("x")
	case reflect.Int64, reflect.Int32, reflect.Int:
		value.SetInt(1)
	case reflect.Bool:
		value.SetBool(true)
	}
}

func described(caught *runtime.ClientOperation, params reflect.Type) operation {
	op := operation{ClientOperation: caught, queries: map[string]bool{}, headers: map[string]bool{}}
	if field, ok := params.FieldByName("Body"); ok {
		op.body = field.Type
	}
	if err := caught.Params.WriteToRequest(&names{op: &op}, strfmt.Default); err != nil {
		panic(caught.ID + ": " + err.Error())
	}
	return op
}

// names is a request that keeps the names of what is put into it.
type names struct {
	runtime.ClientRequest
	op *operation
}

func (n *names) SetTimeout(time.Duration) error       { return nil }
func (n *names) SetPathParam(string, string) error    { return nil }
func (n *names) SetBodyParam(interface{}) error       { return nil }
func (n *names) SetFormParam(string, ...string) error { return nil }
func (n *names) SetQueryParam(name string, _ ...string) error {
	n.op.queries[name] = true
	return nil
}
func (n *names) SetHeaderParam(name string, _ ...string) error {
	n.op.headers[strings.ToLower(name)] = true
	return nil
}

// operationOf finds the operation of a call: the one with the most fixed segments where several fit.
func operationOf(operations []operation, method, path string) (operation, bool) {
	var best operation
	most := -1
	for _, op := range operations {
		if op.Method != method {
			continue
		}
		if fixed, ok := fits(base+op.PathPattern, path); ok && fixed > most {
			best, most = op, fixed
		}
	}
	return best, most >= 0
}

// fits tells whether a path has the pattern, and how many of its segments are fixed.
func fits(pattern, path string) (int, bool) {
	wanted, given := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(wanted) != len(given) {
		return 0, false
	}
	fixed := 0
	for i, segment := range wanted {
		if strings.HasPrefix(segment, "{") {
			if given[i] == "" {
				return 0, false
			}
		} else if segment == given[i] {
			fixed++
		} else {
			return 0, false
		}
	}
	return fixed, true
}
