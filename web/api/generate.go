package api

import (
	_ "embed" // for the contract
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:generate oapi-codegen -config oapi-codegen.yaml openapi.yaml

//go:embed openapi.yaml
var contract []byte

// Contract is openapi.yaml, read and checked.
func Contract() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	spec, err := loader.LoadFromData(contract)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	if err := spec.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("check the contract: %w", err)
	}
	return spec, nil
}
