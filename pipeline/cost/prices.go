package cost

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// hoursAMonth is how AWS counts: 365 days × 24 hours ÷ 12.
const hoursAMonth = 730

// Prices is the dated table. Its form as a file is prices.yaml.
type Prices struct {
	Date     string             `yaml:"date"` // 2006-01-02: when they were last compared with the seller's page
	Region   string             `yaml:"region"`
	Currency string             `yaml:"currency"`
	S3       map[string]S3Price `yaml:"s3"` // by storage class
	Athena   struct {
		ScannedTB float64 `yaml:"scanned_tb"`
	} `yaml:"athena"`
	SNS struct {
		PublishMillion float64 `yaml:"publish_million"`
		Mail100000     float64 `yaml:"mail_100000"`
	} `yaml:"sns"`
	Lambda struct {
		InvokeMillion float64 `yaml:"invoke_million"`
		GBSecond      float64 `yaml:"gb_second"`
		GB            float64 `yaml:"gb"`      // memory of the function
		Seconds       float64 `yaml:"seconds"` // of one invocation
	} `yaml:"lambda"`
	EBS struct {
		GBMonth float64 `yaml:"gb_month"`
	} `yaml:"ebs"`
	PublicIPHour float64            `yaml:"public_ip_hour"`
	AlarmsMonth  float64            `yaml:"alarms_month"`
	EC2          map[string]float64 `yaml:"ec2"`       // by instance type, an hour
	SageMaker    map[string]float64 `yaml:"sagemaker"` // by instance type, an hour
}

// S3Price are the prices of one storage class.
type S3Price struct {
	GBMonth         float64 `yaml:"gb_month"`
	Put1000         float64 `yaml:"put_1000"`
	Get1000         float64 `yaml:"get_1000"`
	ObjectMonth1000 float64 `yaml:"object_month_1000,omitempty"` // monitoring of INTELLIGENT_TIERING
	RetrieveGB      float64 `yaml:"retrieve_gb,omitempty"`
}

//go:embed prices.yaml
var builtIn []byte

// BuiltIn is the table as a file, to be copied and edited.
func BuiltIn() []byte { return bytes.Clone(builtIn) }

// DefaultPrices is the built-in table.
func DefaultPrices() (Prices, error) {
	var p Prices
	if err := p.read(builtIn); err != nil {
		return p, fmt.Errorf("built-in prices: %w", err)
	}
	return p, nil
}

// ReadPrices lays a file over the built-in table: what the file leaves out
// keeps its built-in price, and a row of a table replaces that row alone. An
// unknown key, a price that is negative or no number, and a date that is none
// are errors.
func ReadPrices(data []byte) (Prices, error) {
	p, err := DefaultPrices()
	if err != nil {
		return p, err
	}
	// The decoder merges into maps that are there, row by row.
	if err := p.read(data); err != nil {
		return p, err
	}
	return p, nil
}

func (p *Prices) read(data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return p.validate()
}

func (p *Prices) validate() error {
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		return fmt.Errorf("date: %q is not a day such as 2026-01-31", p.Date)
	}
	check := func(name string, values ...float64) error {
		for _, v := range values {
			if !(v >= 0) || math.IsInf(v, 0) {
				return fmt.Errorf("%s: %v is not a price", name, v)
			}
		}
		return nil
	}
	errs := []error{
		check("athena", p.Athena.ScannedTB), check("sns", p.SNS.PublishMillion, p.SNS.Mail100000),
		check("lambda", p.Lambda.InvokeMillion, p.Lambda.GBSecond, p.Lambda.GB, p.Lambda.Seconds),
		check("ebs", p.EBS.GBMonth), check("public_ip_hour", p.PublicIPHour), check("alarms_month", p.AlarmsMonth),
	}
	for class, s := range p.S3 {
		errs = append(errs, check("s3."+class, s.GBMonth, s.Put1000, s.Get1000, s.ObjectMonth1000, s.RetrieveGB))
	}
	for name, v := range p.EC2 {
		errs = append(errs, check("ec2."+name, v))
	}
	for name, v := range p.SageMaker {
		errs = append(errs, check("sagemaker."+name, v))
	}
	return errors.Join(errs...)
}

// Age is how old the table is.
func (p *Prices) Age(now time.Time) time.Duration {
	date, err := time.Parse(time.DateOnly, p.Date)
	if err != nil {
		return 0
	}
	return now.Sub(date)
}

// class is the price of a storage class; an unknown one counts as STANDARD.
func (p *Prices) class(name string) S3Price {
	if s, ok := p.S3[name]; ok {
		return s
	}
	return p.S3["STANDARD"]
}

// instance looks an instance type up, and says which there are where it is not there.
func instance(table map[string]float64, kind, name string) (float64, error) {
	if v, ok := table[name]; ok {
		return v, nil
	}
	var known []string
	for n := range table {
		known = append(known, n)
	}
	slices.Sort(known)
	return 0, fmt.Errorf("the table has no price for the %s instance %s; add it under %s: (tapedeck cost --write-prices FILE), it knows %s",
		kind, name, strings.ToLower(kind), strings.Join(known, ", "))
}
