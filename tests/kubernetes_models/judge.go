// An object by k8s.io/api's own types, strictly, then by the API server's own defaults, validation and Pod Security.
package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	autoscalingvalidation "k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
)

var strict = json.NewSerializerWithOptions(
	json.DefaultMetaFactory, legacyscheme.Scheme, legacyscheme.Scheme, json.SerializerOptions{Strict: true},
)

func judge(question Question) []string {
	given, kind, err := strict.Decode(question.Manifest, nil, nil)
	if err != nil {
		return []string{err.Error()}
	}
	if question.Partial {
		return nil
	}
	now, err := internal(given, *kind)
	if err != nil {
		return []string{err.Error()}
	}
	var old runtime.Object
	if len(question.Old) > 0 {
		before, _, err := strict.Decode(question.Old, nil, nil)
		if err == nil {
			old, err = internal(before, *kind)
		}
		if err != nil {
			return []string{"old: " + err.Error()}
		}
	}
	problems := texts(validated(now, old))
	if deployment, ok := given.(*appsv1.Deployment); ok {
		problems = append(problems, restricted(deployment)...)
		template := &now.(*apps.Deployment).Spec.Template
		problems = append(problems, pod.GetWarningsForPodTemplate(context.Background(), field.NewPath("spec", "template"), template, nil)...)
	}
	return problems
}

// internal fills in the API server's defaults, as it does before it validates.
func internal(given runtime.Object, kind schema.GroupVersionKind) (runtime.Object, error) {
	legacyscheme.Scheme.Default(given)
	return legacyscheme.Scheme.ConvertToVersion(given, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
}

func validated(now, old runtime.Object) field.ErrorList {
	switch object := now.(type) {
	case *core.Namespace:
		return corevalidation.ValidateNamespace(object)
	case *core.ConfigMap:
		if old != nil {
			return corevalidation.ValidateConfigMapUpdate(versioned(object), old.(*core.ConfigMap))
		}
		return corevalidation.ValidateConfigMap(object)
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(object)
	case *core.Service:
		return corevalidation.ValidateServiceCreate(object)
	case *apps.Deployment:
		var before *core.PodTemplateSpec
		if old != nil {
			before = &old.(*apps.Deployment).Spec.Template
		}
		options := pod.GetValidationOptionsFromPodTemplate(&object.Spec.Template, before)
		if old != nil {
			object.ResourceVersion = "1"
			return appsvalidation.ValidateDeploymentUpdate(object, old.(*apps.Deployment), options)
		}
		return appsvalidation.ValidateDeployment(object, options)
	case *autoscaling.HorizontalPodAutoscaler:
		return autoscalingvalidation.ValidateHorizontalPodAutoscaler(object, autoscalingvalidation.HorizontalPodAutoscalerSpecValidationOptions{
			MinReplicasLowerBound: 1,
		})
	case *policy.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(object, policyvalidation.PodDisruptionBudgetValidationOptions{})
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(object, networkingvalidation.NetworkPolicyValidationOptions{})
	case *networking.Ingress:
		return networkingvalidation.ValidateIngressCreate(object)
	}
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("nobody wrote how a %T is judged", now))}
}

func versioned(object *core.ConfigMap) *core.ConfigMap {
	object.ResourceVersion = "1"
	return object
}

// restricted is what Pod Security's level of that name says of the pods, as its admission would.
func restricted(deployment *appsv1.Deployment) []string {
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	template := deployment.Spec.Template
	found := podsecurity.AggregateCheckResults(evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec))
	if found.Allowed {
		return nil
	}
	return []string{"violates PodSecurity restricted: " + found.ForbiddenDetail()}
}

func texts(found field.ErrorList) []string {
	var problems []string
	for _, problem := range found {
		problems = append(problems, problem.Error())
	}
	return problems
}
