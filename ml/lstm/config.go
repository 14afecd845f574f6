package lstm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// object is a thing as Keras writes it to config.json.
type object struct {
	Module     string          `json:"module"`
	ClassName  string          `json:"class_name"`
	Registered *string         `json:"registered_name"`
	Config     json.RawMessage `json:"config"`
	Build      struct {
		InputShape json.RawMessage `json:"input_shape"` // of several inputs: a list of shapes
	} `json:"build_config"`
	Name    string `json:"name"` // of a layer in a functional model
	Inbound []struct {
		Args   []json.RawMessage          `json:"args"`
		Kwargs map[string]json.RawMessage `json:"kwargs"`
	} `json:"inbound_nodes"`
}

// layerConfig is what the layers' own configurations say, as far as it changes
// what they compute.
type layerConfig struct {
	DType               json.RawMessage `json:"dtype"`
	BatchShape          []*int          `json:"batch_shape"`
	Units               int             `json:"units"`
	Activation          json.RawMessage `json:"activation"`
	RecurrentActivation json.RawMessage `json:"recurrent_activation"`
	UseBias             *bool           `json:"use_bias"`
	ReturnSequences     bool            `json:"return_sequences"`
	ReturnState         bool            `json:"return_state"`
	GoBackwards         bool            `json:"go_backwards"`
	Stateful            bool            `json:"stateful"`
	Sparse              bool            `json:"sparse"`
	Ragged              bool            `json:"ragged"`
	Rate                float64         `json:"rate"`
	Quantization        json.RawMessage `json:"quantization_config"`
}

// decodeConfig reads the shape of the network that config.json describes.
func decodeConfig(text []byte) (Shape, error) {
	var s Shape
	var model object
	if err := json.Unmarshal(text, &model); err != nil {
		return s, err
	}
	if model.ClassName != "Sequential" && model.ClassName != "Functional" || model.custom() {
		return s, fmt.Errorf("model of class %q, want Sequential or Functional", model.ClassName)
	}
	var inside struct {
		Layers []object        `json:"layers"`
		Output json.RawMessage `json:"output_layers"`
	}
	if err := json.Unmarshal(model.Config, &inside); err != nil {
		return s, err
	}
	layers := inside.Layers
	if model.ClassName == "Functional" {
		if err := chain(layers, inside.Output); err != nil {
			return s, err
		}
	}
	want := []string{"InputLayer", "LSTM", "Dropout", "Dense"}
	optional := []string{"InputLayer", "Dropout"}
	var input []*int
	for _, layer := range layers {
		for len(want) > 0 && want[0] != layer.ClassName && slices.Contains(optional, want[0]) {
			want = want[1:]
		}
		if len(want) == 0 || want[0] != layer.ClassName || layer.custom() {
			return s, fmt.Errorf("layer %s does not fit: only LSTM → Dropout → Dense can be computed", layer.name())
		}
		want = want[1:]
		var c layerConfig
		if err := json.Unmarshal(layer.Config, &c); err != nil {
			return s, fmt.Errorf("layer %s: %w", layer.name(), err)
		}
		if err := c.check(layer.ClassName); err != nil {
			return s, fmt.Errorf("layer %s: %w", layer.name(), err)
		}
		switch layer.ClassName {
		case "InputLayer":
			input = c.BatchShape
		case "LSTM":
			s.Units = c.Units
			if input == nil && json.Unmarshal(layer.Build.InputShape, &input) != nil {
				return s, fmt.Errorf("layer %s has no single input", layer.name())
			}
		case "Dropout":
			s.Dropout = float32(c.Rate)
		case "Dense":
			s.Outputs = c.Units
		}
	}
	if len(want) > 0 {
		return s, fmt.Errorf("there is no %s layer", want[0])
	}
	if len(input) != 3 || input[2] == nil {
		return s, errors.New("the input has not the shape (batch, steps, features)")
	}
	if s.Features = *input[2]; input[1] != nil {
		if s.Steps = *input[1]; s.Steps == 0 {
			return s, errors.New("the input has no steps")
		}
	}
	return s, s.Validate()
}

// custom tells whether the class is not Keras's own.
func (o *object) custom() bool {
	return o.Registered != nil && *o.Registered != o.ClassName && *o.Registered != "" || o.Module != "keras" && !strings.HasPrefix(o.Module, "keras.")
}

// name is the class and the user's name of a layer, for messages.
func (o *object) name() string {
	var c struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(o.Config, &c) != nil || c.Name == "" {
		return o.ClassName
	}
	return fmt.Sprintf("%s %q", o.ClassName, c.Name)
}

// chain checks that every layer of a functional model takes the output of the
// one before it and nothing else, and that the last is the model's output.
func chain(layers []object, output json.RawMessage) error {
	for i, layer := range layers {
		if i == 0 {
			if len(layer.Inbound) != 0 {
				return fmt.Errorf("layer %s comes first but has an input", layer.name())
			}
			continue
		}
		if len(layer.Inbound) != 1 || len(layer.Inbound[0].Args) != 1 {
			return fmt.Errorf("layer %s is used more than once or has several inputs", layer.name())
		}
		var tensor struct {
			ClassName string `json:"class_name"`
			Config    struct {
				History []any `json:"keras_history"`
			} `json:"config"`
		}
		if err := json.Unmarshal(layer.Inbound[0].Args[0], &tensor); err != nil {
			return fmt.Errorf("layer %s takes something else than one tensor", layer.name())
		}
		if !slices.Equal(tensor.Config.History, []any{layers[i-1].Name, 0.0, 0.0}) {
			return fmt.Errorf("layer %s does not follow the layer before it", layer.name())
		}
		for name, value := range layer.Inbound[0].Kwargs {
			if v := string(value); v != "null" && v != "false" {
				return fmt.Errorf("layer %s is called with %s", layer.name(), name)
			}
		}
	}
	if len(layers) == 0 {
		return errors.New("there are no layers")
	}
	// One output is written as [name, 0, 0] or as a list of one such.
	var flat []any
	if err := json.Unmarshal(output, &flat); err != nil {
		return fmt.Errorf("output_layers: %w", err)
	}
	if len(flat) == 1 {
		flat, _ = flat[0].([]any)
	}
	if !slices.Equal(flat, []any{layers[len(layers)-1].Name, 0.0, 0.0}) {
		return errors.New("the model's only output is not its last layer")
	}
	return nil
}

// check refuses what would compute something else.
func (c *layerConfig) check(class string) error {
	if name := dtype(c.DType); name != "float32" {
		return fmt.Errorf("type is %s, want float32", name)
	}
	text := func(v json.RawMessage) string {
		var s string
		if json.Unmarshal(v, &s) != nil {
			return string(v)
		}
		return s
	}
	switch class {
	case "InputLayer":
		if c.Sparse || c.Ragged {
			return errors.New("sparse and ragged inputs cannot be read")
		}
	case "LSTM":
		switch {
		case text(c.Activation) != "tanh":
			return fmt.Errorf("activation is %s, want tanh", text(c.Activation))
		case text(c.RecurrentActivation) != "sigmoid":
			return fmt.Errorf("recurrent activation is %s, want sigmoid", text(c.RecurrentActivation))
		case c.ReturnSequences, c.ReturnState:
			return errors.New("it returns sequences or its state, want its last output alone")
		case c.GoBackwards:
			return errors.New("it goes backwards")
		case c.Stateful:
			return errors.New("it is stateful")
		}
	case "Dense":
		if a := text(c.Activation); a != "linear" && a != "null" {
			return fmt.Errorf("activation is %s, want linear", a)
		}
		if len(c.Quantization) > 0 && string(c.Quantization) != "null" {
			return errors.New("it is quantised")
		}
	}
	if (class == "LSTM" || class == "Dense") && (c.UseBias == nil || !*c.UseBias) {
		return errors.New("it has no bias")
	}
	return nil
}

// dtype is the name of a layer's type, which Keras writes as a string or as a
// policy.
func dtype(text json.RawMessage) string {
	var name string
	if json.Unmarshal(text, &name) == nil {
		return name
	}
	var policy struct {
		ClassName string `json:"class_name"`
		Config    struct {
			Name string `json:"name"`
		} `json:"config"`
	}
	if json.Unmarshal(text, &policy) != nil {
		return "unknown"
	}
	if policy.ClassName != "DTypePolicy" {
		return policy.ClassName
	}
	return policy.Config.Name
}
