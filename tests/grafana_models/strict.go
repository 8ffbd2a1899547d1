// Decoding as strict as it gets: unknown fields, names in another case, wrong types, the model's own validation.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/go-openapi/strfmt"
)

type validator interface{ Validate(strfmt.Registry) error }

// decode reads text into the model that `into` points at, and tells everything that is wrong with it.
func decode(text []byte, into interface{}) []string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return []string{err.Error()}
	}
	if decoder.Decode(&struct{}{}) != io.EOF {
		return []string{"more than one JSON value"}
	}
	var raw interface{}
	if err := json.Unmarshal(text, &raw); err != nil {
		return []string{err.Error()}
	}
	problems := otherCase(raw, reflect.TypeOf(into), "")
	value := reflect.ValueOf(into)
	// A model that is a list or a text has its method on the value, which `into` points at.
	for value.Kind() == reflect.Pointer && !value.IsNil() {
		if model, ok := value.Interface().(validator); ok {
			if err := model.Validate(strfmt.Default); err != nil {
				problems = append(problems, strings.Split(strings.TrimSpace(err.Error()), "\n")...)
			}
			break
		}
		value = value.Elem()
	}
	return problems
}

var unmarshaler = reflect.TypeOf((*json.Unmarshaler)(nil)).Elem()

// otherCase finds names that the decoder took only because it does not look at upper and lower case.
func otherCase(raw interface{}, kind reflect.Type, path string) []string {
	for kind.Kind() == reflect.Pointer {
		if kind.Implements(unmarshaler) {
			return nil
		}
		kind = kind.Elem()
	}
	if reflect.PointerTo(kind).Implements(unmarshaler) {
		return nil
	}
	var problems []string
	switch value := raw.(type) {
	case map[string]interface{}:
		fields := fieldsOf(kind)
		for name, inner := range value {
			switch kind.Kind() {
			case reflect.Struct:
				field, ok := fields[name]
				if !ok {
					problems = append(problems, fmt.Sprintf("json: field %q is written in another case", path+name))
					continue
				}
				problems = append(problems, otherCase(inner, field, path+name+".")...)
			case reflect.Map:
				problems = append(problems, otherCase(inner, kind.Elem(), path+name+".")...)
			}
		}
	case []interface{}:
		if kind.Kind() == reflect.Slice {
			for i, inner := range value {
				problems = append(problems, otherCase(inner, kind.Elem(), fmt.Sprintf("%s%d.", path, i))...)
			}
		}
	}
	return problems
}

func fieldsOf(kind reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	if kind.Kind() != reflect.Struct {
		return fields
	}
	for i := 0; i < kind.NumField(); i++ {
		field := kind.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			inner := field.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			for deeper, its := range fieldsOf(inner) {
				fields[deeper] = its
			}
		} else if name != "" {
			fields[name] = field.Type
		}
	}
	return fields
}
