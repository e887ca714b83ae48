"""The portal's forms: one name each."""

from __future__ import annotations

from django import forms

from cyberalarm.central.site.text import plain_line


class NameForm(forms.Form):
    name = forms.CharField(label="Name", max_length=120, error_messages={"required": "Enter a name"})

    def clean_name(self) -> str:
        name = plain_line(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError("Enter a name")
        return name


class DeviceNameForm(forms.Form):
    """An empty name takes the name away."""

    name = forms.CharField(label="Name", max_length=60, required=False)

    def clean_name(self) -> str:
        return plain_line(self.cleaned_data["name"])
